import { parseReferenceUri } from './parse-uri.js'
import type { ReferenceHandler } from './reference-handler.js'

/** What opens the handler of a URI; tests put others in its place. */
export type OpenHandler = (uri: string) => Promise<ReferenceHandler>

type Load = () => Promise<ReferenceHandler>

const http: Load = async () => (await import('./http-handler.js')).createHttpHandler()

/** The clients of the clouds are loaded when such a URI is first used, and kept for the process. */
const LOADERS: Record<string, Load> = {
  http,
  https: http,
  s3: async () => (await import('./s3-handler.js')).createS3Handler(),
  gs: async () => (await import('./gs-handler.js')).createGsHandler(),
  file: async () => (await import('./file-handler.js')).fileHandler,
}

const other: Load = async () => (await import('./other-handler.js')).otherHandler

const handlers = new Map<Load, Promise<ReferenceHandler>>()

/**
 * The handler for the scheme of a URI, which is checked.
 * @throws as `parseReferenceUri`; `PACKAGE_MISSING`, naming the package to install.
 */
export async function openHandler(uri: string): Promise<ReferenceHandler> {
  const { scheme } = parseReferenceUri(uri)
  const load = Object.hasOwn(LOADERS, scheme) ? LOADERS[scheme]! : other
  let handler = handlers.get(load)
  if (!handler) {
    handler = load()
    handlers.set(load, handler)
    handler.catch(() => handlers.delete(load))
  }
  return handler
}
