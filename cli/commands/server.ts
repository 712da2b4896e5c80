import { resolve } from 'node:path'
import { startServer } from '../../server/start-server.js'
import { ArtifactError } from '../../src/errors.js'
import type { Context } from '../context.js'

/** Serves until the signal is aborted. */
export async function server(
  { listen, data, collectEvery }: { listen: string; data: string; collectEvery: number | 'never' },
  { env, signal, note }: Context,
): Promise<void> {
  const { host, port } = parseListen(listen)
  const home = resolve(data)
  const key = env.ARTIFACT_SERVER_KEY || undefined
  const running = await startServer({
    home,
    host,
    port,
    key,
    log: 'info',
    ...(collectEvery !== 'never' && { collectEvery }),
  })
  note(`artifactd server on ${running.url}, data in ${home}; Ctrl-C ends it`)
  await new Promise<void>(done => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
  await running.close()
}

/** `HOST:PORT`, `[::1]:PORT` or `:PORT`. */
function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65535) {
    throw new ArtifactError('INVALID_CONFIG', `--listen takes HOST:PORT, not "${text}"`)
  }
  return { host: match[1] || match[2] || '127.0.0.1', port }
}
