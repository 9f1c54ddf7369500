import { testResources } from 'freehold/testing'
import * as api from '../src/resources/index.ts'

await testResources(api)
