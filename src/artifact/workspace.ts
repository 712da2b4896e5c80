import { openHttpRemote } from '../remote/http-remote.js'
import type { Remote } from '../remote/remote.js'
import { retryingRemote } from '../remote/retrying-remote.js'
import type { Settings } from '../store/settings.js'
import type { Store } from '../store/store.js'
import type { SyncReport } from '../sync/push.js'
import { type SyncOptions, syncStore } from '../sync/sync-store.js'
import { startDaemon } from '../sync/start-daemon.js'
import { sharedStore } from './shared-store.js'

/** A store and the remote that goes with it, as a process is set up. */
export interface Workspace {
  settings: Settings
  store: Store
  /** For questions that must not take long: one attempt. Null without a remote, and offline. */
  remote: Remote | null
  /** For transfers: tries again. */
  openRemote(url: string): Remote
}

export function openWorkspace(settings: Settings): Workspace {
  const { apiKey } = settings
  const open = (url: string) => openHttpRemote({ url, apiKey })
  const online = settings.remote !== null && settings.mode === 'online'
  return {
    settings,
    store: sharedStore(settings.home),
    remote: online ? open(settings.remote!) : null,
    openRemote: url => retryingRemote(open(url)),
  }
}

/** Starts artifactd in the background, unless it runs, is not wanted, or has nowhere to sync to. */
export async function ensureDaemon({ settings }: Workspace): Promise<void> {
  if (settings.remote === null || settings.mode === 'offline' || settings.daemon === 'never') return
  await startDaemon(settings.home, { idleSeconds: IDLE_SECONDS, env: process.env, wait: false })
}

/** An artifactd that nobody asked for ends after ten minutes without work. */
const IDLE_SECONDS = 600

/** Pushes what is pending now, here or through artifactd. */
export function syncWorkspace(
  { settings, store, openRemote }: Workspace,
  options: Pick<SyncOptions, 'signal' | 'retryFailed' | 'onProgress'>,
): Promise<SyncReport> {
  return syncStore(store, { openRemote, defaultRemote: settings.remote, ...options })
}
