import type { Remote } from '../remote/remote.js'
import type { Settings } from '../store/settings.js'
import type { Store, StoreOptions } from '../store/store.js'
import { createHealer } from '../sync/create-healer.js'
import type { OpenRemote } from '../sync/push.js'
import { startDaemon } from '../sync/start-daemon.js'
import type { SyncReport } from '../sync/sync-report.js'
import type { SyncOptions } from '../sync/sync-store.js'
import { sharedStore } from './shared-store.js'

/** An artifactd that nobody asked for ends after ten minutes without work. */
const IDLE_SECONDS = 600

/** Somebody waits: a server that is away is told after a few seconds. artifactd goes on trying. */
const FOREGROUND_RETRIES = 3

/** A store, and how this process is set up to use it. */
export interface Workspace {
  settings: Settings
  store: Store
}

/** What turns out damaged or missing in the store is fetched from the remote, if there is one. */
export function openWorkspace(
  settings: Settings,
  options: Pick<StoreOptions, 'hostPlace'> = {},
): Workspace {
  const workspace = { settings, store: sharedStore(settings.home, options) }
  workspace.store.healer = createHealer(workspace.store, () => askRemote(workspace))
  return workspace
}

/** Why there is no remote to talk to; undefined when there is one. */
export function whyOffline({ settings }: Workspace): string | undefined {
  if (settings.remote === null) return 'no remote is set'
  return settings.mode === 'offline' ? 'ARTIFACT_MODE is offline' : undefined
}

/**
 * How remotes are opened: for transfers, which are tried again, or for questions that must not
 * take long. The HTTP client is loaded when it is first used: most logs and reads need none.
 */
export async function remoteOpener(
  { settings }: Workspace,
  options: { retries?: number } = {},
): Promise<OpenRemote> {
  const { createRemoteOpener } = await import('../sync/create-remote-opener.js')
  return createRemoteOpener(settings, options)
}

/** The remote for questions, one attempt each; null when offline. */
export async function askRemote(workspace: Workspace): Promise<Remote | null> {
  const { remote } = workspace.settings
  if (remote === null || whyOffline(workspace)) return null
  return (await remoteOpener(workspace, { retries: 0 }))(remote)
}

/** Pushes what is pending now, here or through artifactd. */
export async function syncWorkspace(
  workspace: Workspace,
  options: Pick<SyncOptions, 'signal' | 'retryFailed' | 'onProgress'>,
): Promise<SyncReport> {
  const { settings, store } = workspace
  const openRemote = await remoteOpener(workspace, { retries: FOREGROUND_RETRIES })
  const { syncStore } = await import('../sync/sync-store.js')
  const { remote, limit } = settings
  const limited = limit !== null && { limit }
  return syncStore(store, openRemote, { defaultRemote: remote, ...limited, ...options })
}

/** Starts artifactd in the background, unless it runs, is not wanted, or has nowhere to sync to. */
export async function ensureDaemon(workspace: Workspace): Promise<void> {
  const { settings } = workspace
  if (whyOffline(workspace) || settings.daemon === 'never') return
  const env = { ...process.env, ARTIFACT_REMOTE: settings.remote! }
  await startDaemon(settings.home, { idleSeconds: IDLE_SECONDS, env, wait: false })
}
