import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * A worker that answers S3's listings of a bucket with `workerData.objects` objects below `p/`, of
 * one byte each, a thousand a page. It stands for a server where a million real objects would take
 * longer to make than to list.
 */
const { objects } = workerData as { objects: number }

const page = (start: number): string => {
  const end = Math.min(start + 1000, objects)
  let contents = ''
  for (let index = start; index < end; index += 1) {
    const hex = index.toString(16).padStart(32, '0')
    const key = `p/${String(index >> 10).padStart(4, '0')}/${String(index).padStart(8, '0')}.bin`
    contents += `<Contents><Key>${key}</Key><ETag>&quot;${hex}&quot;</ETag><Size>1</Size></Contents>`
  }
  const next =
    end < objects
      ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${end}</NextContinuationToken>`
      : '<IsTruncated>false</IsTruncated>'
  return `<?xml version="1.0"?><ListBucketResult>${next}${contents}</ListBucketResult>`
}

const server = createServer(({ method, url }, response) => {
  const query = new URL(url!, 'http://localhost').searchParams
  if (method === 'HEAD') response.writeHead(404).end()
  else if (query.has('versioning')) response.end('<VersioningConfiguration/>')
  else response.end(page(Number(query.get('continuation-token') ?? 0)))
}).listen(0, '127.0.0.1', () => {
  parentPort!.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
