import type { ErrorData } from '../errors.js'
import { connectTo } from '../ipc/endpoint.js'
import { ConnectionLost, RpcClient } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import type { SyncReport, VersionProgress } from './sync-report.js'

/** The role under which artifactd announces itself, and the name of its lock. */
export const DAEMON_ROLE = 'artifactd'

export interface DaemonStatus {
  pid: number
  /** ISO 8601. */
  startedAt: string
  /** What is on its way at this moment. */
  syncing: VersionProgress[]
  /** Why the last pass left something behind; null when it did not. */
  lastError: ErrorData | null
  remote: string | null
}

/** What artifactd serves on its socket. */
export interface DaemonMethods {
  status(): Promise<DaemonStatus>
  /** Makes a pass that begins after the call, and answers with what it did. */
  sync(options: { retryFailed?: boolean }): Promise<SyncReport>
  /** Makes it end; answers before it has. */
  stop(): Promise<void>
}

/** Every call throws `ConnectionLost` when the daemon ends before it answered. */
export interface DaemonClient extends DaemonMethods {
  /** As in {@link DaemonMethods}, but resolves when the daemon has given up its lock. */
  stop(): Promise<void>
  close(): void
}

/**
 * Connects to the artifactd of a store; null when none runs.
 *
 * @throws `PROTOCOL_UNSUPPORTED` when it speaks another protocol than this program.
 */
export async function connectDaemon(home: string): Promise<DaemonClient | null> {
  const socket = await connectTo(homePaths(home).host, DAEMON_ROLE)
  if (!socket) return null
  const client = new RpcClient(socket)
  return {
    status: () => client.call('status', []),
    sync: options => client.call('sync', [options]),
    stop: async () => {
      try {
        await client.call('stop', [])
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
      }
      socket.ref()
      await client.closed
    },
    close: () => client.close(),
  }
}
