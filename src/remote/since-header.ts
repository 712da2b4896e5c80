import type { RemoteMark } from '../catalog/catalog.js'

/** On a request: what the client knows of the store that it talks to. */
export const SINCE_HEADER = 'artifactd-since'

/** `STORE`, or `STORE.ERA.SEQ` where its history is known. */
export function formatSince({ storeId, history }: RemoteMark): string {
  return history ? `${storeId}.${history.era}.${history.seq}` : storeId
}

/** Undefined for what is not a value of that header. */
export function parseSince(text: string): RemoteMark | undefined {
  const match = /^([0-9a-f]{32})(?:\.([0-9a-f]{16})\.(\d{1,15}))?$/.exec(text)
  if (!match) return undefined
  const [, storeId = '', era, seq] = match
  return { storeId, ...(era !== undefined && { history: { era, seq: Number(seq) } }) }
}
