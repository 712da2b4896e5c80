import { ArtifactError } from '../../src/errors.js'
import { readSettings } from '../../src/store/settings.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'
import { startDaemon } from '../../src/sync/start-daemon.js'
import type { Context, Result } from '../context.js'

export async function daemonStart(
  { limit }: { limit?: string },
  context: Context,
): Promise<Result> {
  const env = { ...context.env, ...(limit !== undefined && { ARTIFACT_LIMIT: limit }) }
  const { home } = readSettings(env)
  const { started, pid } = await startDaemon(home, { env })
  const text = started ? `artifactd started (process ${pid})` : `artifactd runs (process ${pid})`
  return { data: { started, pid }, text }
}

export async function daemonStop(_options: object, { env }: Context): Promise<Result> {
  const { home } = readSettings(env)
  const daemon = await connectDaemon(home)
  if (!daemon) return { data: { stopped: false }, text: 'artifactd does not run' }
  await daemon.stop()
  daemon.close()
  return { data: { stopped: true }, text: 'artifactd stopped' }
}

export async function daemonStatus(_options: object, { env }: Context): Promise<Result> {
  const { home } = readSettings(env)
  const daemon = await connectDaemon(home)
  if (!daemon) throw new ArtifactError('DAEMON_NOT_RUNNING', `no artifactd serves ${home}`)
  const data = await daemon.status()
  daemon.close()
  const lines = [
    `artifactd runs (process ${data.pid}, since ${data.startedAt}), remote ${data.remote ?? 'none'}`,
    ...data.syncing.map(
      ({ name, bytesSent, bytesTotal }) => `syncing ${name}  ${bytesSent} of ${bytesTotal} bytes`,
    ),
    ...(data.lastError ? [`last error: ${data.lastError.message}`] : []),
  ]
  return { data, text: lines.join('\n') }
}
