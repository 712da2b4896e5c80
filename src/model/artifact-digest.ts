import { type Digest, digestBytes } from './digest.js'
import type { Entry } from './entry.js'

/**
 * The first bytes under an artifact digest, W&B's (`artifact_manifest_v1.py`). The digest is the
 * hex hash, with the algorithm of the manifest, over these and then {@link manifestDigestLine} of
 * every entry in path order, in UTF-8.
 */
export const manifestDigestHeader: Uint8Array = Buffer.from('wandb-artifact-manifest-v1\n')

/**
 * `path:digest` and LF. The digest of a file is the base64 of its bytes, as W&B has it; that of a
 * reference goes in as it is. Sizes and URIs are not covered.
 */
export function manifestDigestLine({ path, digest, ref }: Entry): string {
  const text = ref === undefined ? digestBytes(digest as Digest).toString('base64') : digest
  return `${path}:${text}\n`
}
