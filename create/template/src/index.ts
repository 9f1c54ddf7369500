import { createWorker } from 'freehold/worker'
import * as api from './resources/index.ts'

export { Hub } from 'freehold/worker'

export default createWorker(api)
