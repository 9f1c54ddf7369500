import { createWorker } from 'freehold/worker'
import { resources, verbs } from './resources/index.ts'

export default createWorker(resources, verbs)
