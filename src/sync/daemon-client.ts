import type { ErrorData } from '../errors.js'
import { connectTo } from '../ipc/endpoint.js'
import { ConnectionLost, RpcClient } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import type { VersionStatus } from './progress-tracker.js'
import type { SyncReport } from './sync-report.js'

/** The role under which artifactd announces itself, and the name of its lock. */
export const DAEMON_ROLE = 'artifactd'

/** A pass over what is pending. Times are ISO 8601. */
export interface PassSummary {
  startedAt: string
  endedAt: string
  synced: number
  failed: number
  /** Null when it failed before that was known. */
  pending: number | null
  sentBytes: number
}

export interface DaemonStatus {
  pid: number
  /** Of the program. */
  version: string
  /** ISO 8601. */
  startedAt: string
  uptimeSeconds: number
  /** `syncing` during a pass. */
  state: 'idle' | 'syncing'
  /** What is on its way, or was and waits for the next pass. */
  versions: VersionStatus[]
  /** Null before the first one ended. */
  lastPass: PassSummary | null
  /** Why the last pass left something behind; null when it did not. */
  lastError: ErrorData | null
  remote: string | null
}

/** What artifactd serves on its socket. */
export interface DaemonMethods {
  status(): Promise<DaemonStatus>
  /**
   * Makes a pass that begins after the call, and answers with what it did.
   * @param options.limit bytes a second that it keeps to, from the call to its answer or to the end of
   *   the connection, unless its own limit is lower. Default: its own.
   */
  sync(options: { retryFailed?: boolean; limit?: number }): Promise<SyncReport>
  /** Makes it end; answers before it has. */
  stop(): Promise<void>
}

/**
 * Every call throws `ConnectionLost` when the daemon ends before it answered, and `STORE_BUSY` when
 * its process is stopped, or hangs, for 10 seconds.
 */
export interface DaemonClient extends DaemonMethods {
  pid: number
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
  const peer = await connectTo(homePaths(home).host, DAEMON_ROLE)
  if (!peer) return null
  const client = new RpcClient(peer)
  return {
    pid: peer.pid,
    status: () => client.call('status', []),
    sync: options => client.call('sync', [options]),
    stop: async () => {
      try {
        await client.call('stop', [])
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
      }
      peer.socket.ref()
      await client.closed
    },
    close: () => client.close(),
  }
}
