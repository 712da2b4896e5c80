import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ArtifactError, systemCode } from '../errors.js'
import {
  type Announcement,
  announcementPath,
  type ProtocolRange,
  readAnnouncement,
} from './announcement.js'
import { thisMachine } from './machine.js'
import { ensurePrivateFolder, ensurePrivateTemporary, makePrivate } from './private-folder.js'

/** The protocols between processes of one machine that this program speaks. */
export const IPC_PROTOCOL: ProtocolRange = { min: 1, max: 1 }

/** How long a process may be silent while it is asked something, in milliseconds. */
export const SILENCE_MS = 10_000

/**
 * Longest path of a Unix socket that every platform takes: 104 bytes with the final NUL on macOS,
 * 108 on Linux.
 */
const MAX_SOCKET_PATH = 103
/** Between two attempts to connect to a process that accepts nothing, in milliseconds. */
const PAUSE_MS = 100

export interface Endpoint {
  address: string
  /** Stops accepting and ends the connections that are open. Others' announcements stay. */
  close(): Promise<void>
  /** Removes its announcement, for one that knows that nobody announced himself after it. */
  withdraw(): void
}

export interface ListenOptions {
  /** Default true: the process stays while it listens, or anybody is connected. */
  keepAlive?: boolean
  /** What it says to speak. Default {@link IPC_PROTOCOL}. */
  protocol?: ProtocolRange
}

/**
 * Listens on a fresh socket and announces it in `<folder>/<role>.json` by rename, so that a reader
 * finds a whole address or the one before. The folder is private to the user (mode 0700). Sockets
 * in it on which nobody listens any more are removed.
 */
export async function listenAt(
  folder: string,
  role: string,
  onConnection: (socket: Socket) => void,
  { keepAlive = true, protocol = IPC_PROTOCOL }: ListenOptions = {},
): Promise<Endpoint> {
  ensurePrivateFolder(folder)
  const address = socketAddress(folder)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    if (!keepAlive) socket.unref()
    socket.on('close', () => sockets.delete(socket))
    // A peer that dies is seen as a close; the error before it says nothing more.
    socket.on('error', () => {})
    onConnection(socket)
  })
  await listen(server, address)
  if (!keepAlive) server.unref()
  const near = dirname(address) === folder
  const announcement: Announcement = {
    address: near ? basename(address) : address,
    protocol,
    ...thisMachine(),
    pid: process.pid,
  }
  const close = async () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    rmSync(address, { force: true })
    for (const socket of sockets) socket.end()
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, 500)
    await closed
    clearTimeout(timer)
  }
  const path = announcementPath(folder, role)
  const temporary = `${path}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(temporary, JSON.stringify(announcement), { mode: 0o600 })
    renameSync(temporary, path)
    await removeDeadSockets(dirname(address), address)
  } catch (error) {
    rmSync(temporary, { force: true })
    await close()
    throw error
  }
  return { address, close, withdraw: () => rmSync(path, { force: true }) }
}

/** Another process, at the other end of a connection. */
export interface Peer {
  socket: Socket
  pid: number
  protocol: ProtocolRange
  /** What to tell when it does not answer. */
  silent(): ArtifactError
}

/**
 * Connects to whoever announced itself last in this role.
 *
 * @param protocol what this program speaks. Default {@link IPC_PROTOCOL}.
 * @returns null when nobody did, or when the one that did is gone.
 * @throws `PROTOCOL_UNSUPPORTED` when the two programs share no protocol; `STORE_BUSY` when it
 *   accepts nothing for 10 seconds; `STORE_FAILED` when its folder is another user's;
 *   `STORE_DAMAGED` as `readAnnouncement`.
 */
export async function connectTo(
  folder: string,
  role: string,
  { protocol = IPC_PROTOCOL }: { protocol?: ProtocolRange } = {},
): Promise<Peer | null> {
  const announcement = readAnnouncement(folder, role)
  if (!announcement) return null
  const { pid, protocol: theirs } = announcement
  if (theirs.min > protocol.max || theirs.max < protocol.min) {
    throw new ArtifactError(
      'PROTOCOL_UNSUPPORTED',
      `process ${pid} serves ${folder} with protocols ${theirs.min} to ` +
        `${theirs.max}; this program speaks ${protocol.min} to ${protocol.max}`,
      { details: { pid, theirs, ours: protocol } },
    )
  }
  const address = resolve(folder, announcement.address)
  if (!existsSync(address)) return null
  makePrivate(folder)
  makePrivate(dirname(address))
  const silent = () => silentProcess(folder, announcement)
  for (const deadline = Date.now() + SILENCE_MS; ; await sleep(PAUSE_MS)) {
    const socket = await connectSocket(address)
    if (socket !== 'full') return socket && { socket, pid, protocol: theirs, silent }
    if (Date.now() > deadline) throw silent()
  }
}

/** Whether anybody listens in a folder, be it announced or not yet. */
export async function isListenedIn(folder: string): Promise<boolean> {
  for (const name of readdirSync(folder)) {
    if (!/\.(?:sock|new)$/.test(name)) continue
    const socket = await connectSocket(join(folder, name))
    if (socket && socket !== 'full') socket.destroy()
    if (socket) return true
  }
  return false
}

/**
 * Connects to a socket by its path; null when nobody listens there, `full` when so many wait that
 * its process must be stopped, or in trouble.
 */
function connectSocket(address: string): Promise<Socket | 'full' | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', error => {
      socket.destroy()
      const code = systemCode(error)
      if (code === 'EAGAIN') resolve('full')
      else if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET') resolve(null)
      else reject(error)
    })
  })
}

function silentProcess(folder: string, { pid, hostname }: Announcement): ArtifactError {
  const elsewhere = hostname === thisMachine().hostname ? '' : ` of ${hostname}`
  return new ArtifactError(
    'STORE_BUSY',
    `process ${pid}${elsewhere}, which serves ${folder}, has not answered for ` +
      `${SILENCE_MS / 1000} seconds: it is stopped, or hangs. Let it go on (kill -CONT ${pid}) or ` +
      'end it, and try again',
    { details: { pid, hostname, folder } },
  )
}

/** A name in the folder, or in a private folder under the temporary one where that is too long. */
function socketAddress(folder: string): string {
  const name = `${randomBytes(6).toString('hex')}.sock`
  const near = join(folder, name)
  if (Buffer.byteLength(near) <= MAX_SOCKET_PATH) return near
  return join(ensurePrivateTemporary(), name)
}

/** The socket gets its name once it is listened on: under that name it is alive, or dead for good. */
async function listen(server: Server, address: string): Promise<void> {
  const temporary = address.replace(/sock$/, 'new')
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(temporary, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  renameSync(temporary, address)
}

async function removeDeadSockets(folder: string, own: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (!name.endsWith('.sock') || path === own) continue
    const socket = await connectSocket(path)
    if (socket === null) rmSync(path, { force: true })
    else if (socket !== 'full') socket.destroy()
  }
}
