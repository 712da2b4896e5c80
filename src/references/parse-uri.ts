import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'

export interface ReferenceUri {
  /** As it was given. */
  uri: string
  /** In lower case, without the colon. */
  scheme: string
}

// Two letters at least, so that `C:\x` is none.
const SCHEME = /^([a-z][a-z0-9+.-]+):./i

// What would break a line, a header or UTF-8.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const FORBIDDEN = /[\0-\x1f\x7f]|\p{Cs}/u

/** Parameters of signed URLs (S3, GCS, CloudFront, Azure, OSS, COS, OBS) and the usual secrets. */
const SECRETS = new Set([
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
  'x-goog-signature',
  'x-goog-credential',
  'x-oss-signature',
  'x-oss-credential',
  'x-obs-security-token',
  'x-cos-security-token',
  'q-signature',
  'security-token',
  'awsaccesskeyid',
  'googleaccessid',
  'ossaccesskeyid',
  'signature',
  'sig',
  'access_token',
  'auth_token',
  'private_token',
  'token',
  'jwt',
  'authorization',
  'api_key',
  'api-key',
  'apikey',
  'password',
  'client_secret',
])

/** Schemes whose keys are taken as they are, `?` and all. */
const RAW = new Set(['s3', 'gs'])

/**
 * Checks a URI that is to be stored or followed.
 *
 * @throws `INVALID_URI` when it is none; `URI_HAS_CREDENTIALS`, which repeats no part of it that
 *   may be secret, for a password (a user, where the scheme knows none) or a parameter that signs
 *   or authorizes; `TypeError` when it is neither a string nor a URL.
 */
export function parseReferenceUri(value: unknown): ReferenceUri {
  if (typeof value !== 'string' && !(value instanceof URL)) {
    throw new TypeError(`a URI must be a string, not ${inspect(value, { depth: 0 })}`)
  }
  const uri = String(value)
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase()
  if (scheme === undefined) throw invalidUri(uri, 'it does not begin with a scheme')
  refuseCredentials(uri, scheme)
  if (FORBIDDEN.test(uri)) throw invalidUri(uri, 'it holds control characters')
  if ((scheme === 'http' || scheme === 'https') && !URL.canParse(uri)) {
    throw invalidUri(uri, 'it is not a URL')
  }
  return { uri, scheme }
}

export function invalidUri(uri: string, reason: string): ArtifactError {
  const shown = inspect(uri, { maxStringLength: 200 })
  return new ArtifactError('INVALID_URI', `not a URI that can be referred to: ${shown}: ${reason}`)
}

function refuseCredentials(uri: string, scheme: string): void {
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(uri)?.[1] ?? ''
  const at = authority.lastIndexOf('@')
  const isWeb = scheme === 'http' || scheme === 'https' || scheme === 'file' || RAW.has(scheme)
  if (at >= 0 && (isWeb || authority.slice(0, at).includes(':'))) {
    throw hasCredentials(scheme, 'a user or a password')
  }
  if (RAW.has(scheme)) return
  const start = uri.search(/[?#]/)
  if (start < 0) return
  for (const parameter of uri.slice(start + 1).split(/[?#&;]/)) {
    const [name = ''] = parameter.split('=', 1)
    if (SECRETS.has(decode(name).toLowerCase())) {
      throw hasCredentials(scheme, `the parameter "${decode(name)}"`)
    }
  }
}

function hasCredentials(scheme: string, what: string): ArtifactError {
  return new ArtifactError('URI_HAS_CREDENTIALS', `the ${scheme}: URI holds ${what}`, {
    details: { scheme },
  })
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * The last part of the path of a URI, which names what is added without a name: decoded where the
 * scheme encodes. "" when there is none.
 */
export function referenceBaseName({ uri, scheme }: ReferenceUri): string {
  const path = uri.replace(/^[^:]+:(?:\/\/[^/?#]*)?/, '')
  if (RAW.has(scheme)) return lastPart(path.replace(/[?]versionId=[^?]*$|#\d+$/, ''))
  const name = lastPart(path.split(/[?#]/, 1)[0]!)
  const decoded = decode(name)
  return decoded.includes('/') ? name : decoded
}

function lastPart(path: string): string {
  return path.slice(path.replace(/\/+$/, '').lastIndexOf('/') + 1).replace(/\/+$/, '')
}
