import { ArtifactError } from '../../src/errors.js'
import { readSettings } from '../../src/store/settings.js'
import { connectDaemon, type PassSummary } from '../../src/sync/daemon-client.js'
import { startDaemon } from '../../src/sync/start-daemon.js'
import type { Context, Result } from '../context.js'
import { describeProgress } from '../describe-progress.js'
import { formatBytes } from '../format.js'

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
    `artifactd ${data.version} runs (process ${data.pid}, since ${data.startedAt}), remote ${data.remote ?? 'none'}`,
    ...data.versions.map(
      version =>
        `${version.active ? 'syncing' : 'waiting'} ${version.name}  ${describeProgress(version)}`,
    ),
    ...(data.lastPass ? [describePass(data.lastPass)] : []),
    ...(data.lastError ? [`last error: ${data.lastError.message}`] : []),
  ]
  return { data, text: lines.join('\n') }
}

function describePass({ endedAt, synced, failed, pending, sentBytes }: PassSummary): string {
  const counts = `${synced} synced, ${failed} failed, ${pending ?? 'some'} pending`
  return `last pass ended ${endedAt}: ${counts}, ${formatBytes(sentBytes)} sent`
}
