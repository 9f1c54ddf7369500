import { testConfig } from 'freehold/testing/config'

export default testConfig()
