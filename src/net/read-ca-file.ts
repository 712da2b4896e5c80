import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ArtifactError } from '../errors.js'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/**
 * The certificates of a PEM file.
 * @throws `INVALID_CONFIG`, naming the file, when it cannot be read or holds none, or a broken one.
 */
export function readCaFile(path: string): string[] {
  const invalid = (reason: string, cause?: unknown) =>
    new ArtifactError(
      'INVALID_CONFIG',
      `the CA file ${path} ${reason}; set ARTIFACT_CA_FILE, or \`artifact init --ca-file\`, to a file ` +
        'of certificates in PEM form',
      { cause, details: { caFile: path } },
    )
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid(`cannot be read: ${(error as Error).message}`, error)
  }
  const certificates = text.match(CERTIFICATE)
  if (!certificates) throw invalid('holds no certificate')
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate)
    } catch (error) {
      throw invalid(`holds a broken certificate: ${(error as Error).message}`, error)
    }
  }
  return certificates
}
