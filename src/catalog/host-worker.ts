import { parentPort, workerData } from 'node:worker_threads'
import { storeError } from '../errors.js'
import { serveCatalog } from './host.js'

try {
  const { home, protocol } = workerData
  const onRetire = () => parentPort?.postMessage({ state: 'retired' })
  const host = await serveCatalog(home, { protocol, onRetire })
  parentPort?.postMessage(host ? { state: 'ready', folder: host.folder } : { state: 'locked' })
  if (host) {
    parentPort?.once('message', () => void host.close())
    void host.ended.then(() => parentPort?.close())
  }
} catch (error) {
  const data = storeError(error, 'opening the catalog').toJSON()
  parentPort?.postMessage({ state: 'failed', error: data })
}
