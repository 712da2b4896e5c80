import { parentPort, workerData } from 'node:worker_threads'
import { storeError } from '../errors.js'
import { serveCatalog } from './host.js'

try {
  const host = await serveCatalog(workerData.home)
  parentPort?.postMessage(host ? { state: 'ready' } : { state: 'locked' })
  if (host) {
    parentPort?.once('message', () => void host.close())
    void host.ended.then(() => parentPort?.close())
  }
} catch (error) {
  const data = storeError(error, 'opening the catalog').toJSON()
  parentPort?.postMessage({ state: 'failed', error: data })
}
