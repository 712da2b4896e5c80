import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureFolder } from '../disk/publish.js'
import { ArtifactError, systemCode } from '../errors.js'

/** The protocols between processes of one machine that this program speaks. */
export const IPC_PROTOCOL = { min: 1, max: 1 }

/**
 * Longest path of a Unix socket that every platform takes: 104 bytes with the final NUL on macOS,
 * 108 on Linux.
 */
const MAX_SOCKET_PATH = 103

interface Announcement {
  address: string
  protocol: { min: number; max: number }
  hostname: string
  pid: number
}

export interface Endpoint {
  address: string
  /** Stops accepting and ends the connections that are open. Others' announcements stay. */
  close(): Promise<void>
}

/**
 * Listens on a fresh socket and announces it in `<folder>/<role>.json` by rename, so that a reader
 * finds a whole address or the one before. The folder is private to the user (mode 0700).
 * `keepAlive: false` lets the process end while it listens.
 */
export async function listenAt(
  folder: string,
  role: string,
  onConnection: (socket: Socket) => void,
  { keepAlive = true }: { keepAlive?: boolean } = {},
): Promise<Endpoint> {
  ensureFolder(folder)
  const address = socketAddress(folder)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A peer that dies is seen as a close; the error before it says nothing more.
    socket.on('error', () => {})
    onConnection(socket)
  })
  await listen(server, address)
  if (!keepAlive) server.unref()
  const announcement: Announcement = {
    address,
    protocol: IPC_PROTOCOL,
    hostname: hostname(),
    pid: process.pid,
  }
  const close = async () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of sockets) socket.end()
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, 500)
    await closed
    clearTimeout(timer)
  }
  const path = join(folder, `${role}.json`)
  const temporary = `${path}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(temporary, JSON.stringify(announcement), { mode: 0o600 })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    await close()
    throw error
  }
  return { address, close }
}

/**
 * Connects to whoever announced itself last in this role.
 *
 * @returns null when nobody did, or when the one that did is gone.
 * @throws `PROTOCOL_UNSUPPORTED` when the two programs share no protocol.
 */
export async function connectTo(folder: string, role: string): Promise<Socket | null> {
  const announcement = readAnnouncement(folder, role)
  if (!announcement) return null
  const { protocol } = announcement
  if (protocol.min > IPC_PROTOCOL.max || protocol.max < IPC_PROTOCOL.min) {
    throw new ArtifactError(
      'PROTOCOL_UNSUPPORTED',
      `process ${announcement.pid} serves ${folder} with protocols ${protocol.min} to ` +
        `${protocol.max}; this program speaks ${IPC_PROTOCOL.min} to ${IPC_PROTOCOL.max}`,
      { details: { pid: announcement.pid, theirs: protocol, ours: IPC_PROTOCOL } },
    )
  }
  return connectSocket(announcement.address)
}

/** Connects to a socket by its path; null when nobody listens there. */
export function connectSocket(address: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', error => {
      socket.destroy()
      const code = systemCode(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET') resolve(null)
      else reject(error)
    })
  })
}

function readAnnouncement(folder: string, role: string): Announcement | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, `${role}.json`), 'utf8')) as Announcement
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** A name in the folder, or in a private folder under the temporary one where that is too long. */
function socketAddress(folder: string): string {
  const name = `${randomBytes(6).toString('hex')}.sock`
  const near = join(folder, name)
  if (Buffer.byteLength(near) <= MAX_SOCKET_PATH) return near
  const uid = process.getuid?.() ?? 0
  const short = join(tmpdir(), `artifactd-${uid}`)
  mkdirSync(short, { recursive: true, mode: 0o700 })
  const stat = lstatSync(short)
  if (!stat.isDirectory() || stat.uid !== uid) {
    throw new ArtifactError('STORE_FAILED', `${short} belongs to somebody else`)
  }
  chmodSync(short, 0o700)
  return join(short, name)
}

async function listen(server: Server, address: string): Promise<void> {
  rmSync(address, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}
