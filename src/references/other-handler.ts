import { ArtifactError } from '../errors.js'
import type { ReferenceHandler } from './reference-handler.js'

/** Schemes that nothing is known about: the URI is kept, and what it leads to is not looked at. */
export const otherHandler: ReferenceHandler = {
  downloads: false,
  async *list(uri) {
    const extra = { unverifiable: true, sizeUnknown: true } as const
    yield { path: '', single: true, ref: uri, digest: uri, size: 0, extra }
  },
  async open({ ref, path }) {
    const scheme = ref.slice(0, ref.indexOf(':'))
    throw new ArtifactError(
      'REFERENCE_NOT_DOWNLOADABLE',
      `"${path}" is kept at ${ref}, and ${scheme}: cannot be downloaded`,
      { details: { path, uri: ref } },
    )
  },
  async check() {},
}
