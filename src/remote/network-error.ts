import { TimeoutError } from 'got'
import { ArtifactError, systemCode } from '../errors.js'
import type { HttpProxy } from '../net/find-proxy.js'

/** Codes of OpenSSL and Node for certificates that are not trusted. */
const UNTRUSTED =
  /^(?:UNABLE_TO_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|INVALID_CA|INVALID_PURPOSE)/

/** The coded error for a request that got no answer. */
export function networkError(error: unknown, url: URL, proxy?: HttpProxy): ArtifactError {
  const system = systemCode(error)
  const through = proxy && { proxy: proxy.origin }
  const details = { url: url.href, system, ...through }
  // The error that got makes holds the headers, and so the key.
  const { message, cause } = error as Error
  const where = proxy ? `${url.origin} through the proxy ${proxy.origin}` : url.origin
  if (system?.startsWith('HPE_')) {
    const text = `${url.origin} does not speak HTTP: ${message}`
    return new ArtifactError('REMOTE_INVALID', text, { cause, details })
  }
  if (system !== undefined && UNTRUSTED.test(system)) {
    const text = `the certificate of ${where} is not trusted: ${message}`
    return new ArtifactError('REMOTE_UNTRUSTED', text, { cause, details })
  }
  const reason =
    error instanceof TimeoutError ? `no answer in time (${error.event}, ${error.message})` : message
  return new ArtifactError('REMOTE_UNREACHABLE', `cannot reach ${where}: ${reason}`, {
    cause,
    details,
  })
}
