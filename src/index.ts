import { createWorker } from 'freehold/worker'
import { resources, verbs } from './resources/index.ts'

export { Hub } from 'freehold/worker'

export default createWorker(resources, verbs)
