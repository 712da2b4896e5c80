import type { KeyRef } from '../catalog/catalog.js'
import type { BlobKind } from '../model/blob-key.js'
import {
  ALGORITHMS,
  type Algorithm,
  type Digest,
  digestBytes,
  digestFromBytes,
} from '../model/digest.js'
import type { ReadColumns } from './file-ingester.js'

/** One content of a batch; its name is short, for there may be very many. */
export interface IngestItem {
  name: string
  ref(): KeyRef
  inPlace?: boolean
}

export function itemOf(kind: BlobKind, digest: Digest, inPlace = false): IngestItem {
  const name = `${kind[0]}${digestBytes(digest).toString('latin1')}`
  return { name, ref: () => ({ kind, digest }), inPlace }
}

export function itemsOf({ digests }: ReadColumns, algorithm: Algorithm): IngestItem[] {
  const width = ALGORITHMS[algorithm].bytes
  const text = Buffer.from(digests.buffer, digests.byteOffset, digests.length).toString('latin1')
  return Array.from({ length: digests.length / width }, (_, index) => ({
    name: `b${text.slice(index * width, (index + 1) * width)}`,
    ref: () => {
      const bytes = digests.subarray(index * width, (index + 1) * width)
      return { kind: 'blob', digest: digestFromBytes(algorithm, bytes) }
    },
  }))
}
