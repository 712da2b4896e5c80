import { join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from './digest.js'

/** Where things lie in a store (DESIGN.md §4). Pure: nothing here touches the disk. */
export const homePaths = (home: string) => ({
  store: join(home, 'store.json'),
  config: join(home, 'config.json'),
  key: join(home, 'api-key'),
  journal: join(home, 'journal'),
  packs: join(home, 'packs'),
  objects: join(home, 'objects'),
  catalog: join(home, 'catalog'),
  host: join(home, 'host'),
  exposed: join(home, 'exposed'),
  tmp: join(home, 'tmp'),
  damaged: join(home, 'damaged'),
  verifyState: join(home, 'verify.json'),
  daemonLog: join(home, 'artifactd.log'),
})

/** `packs/ab/<id>.pack`, where `ab` are the first two digits of the id. */
export function packPath(home: string, packId: string): string {
  return join(home, 'packs', packId.slice(0, 2), `${packId}.pack`)
}

/** `objects/<algorithm>/ab/<hex>`, the whole hex digest being the name. */
export function objectPath(home: string, digest: Digest): string {
  const hex = hexOf(digest)
  return join(home, 'objects', algorithmOf(digest), hex.slice(0, 2), hex)
}
