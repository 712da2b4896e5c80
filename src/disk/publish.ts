import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { systemCode } from '../errors.js'

/** Flushes a folder, so that names created in it or moved into it survive a power loss. */
export function syncFolder(folder: string): void {
  flushPath(folder)
}

/** Flushes a file or a folder, whoever changed it. */
export function flushPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a folder and its missing parents, each of them durable. One by one: where a file system
 * answers `ENOENT` to every `mkdir`, as /proc does, Node's recursive one never ends.
 */
export function ensureFolder(folder: string): void {
  if (existsSync(folder)) return
  ensureFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  syncFolder(dirname(folder))
}

/**
 * Moves flushed files to their places below `root`, then flushes each folder once: durable when it
 * returns, and so are the folders between, if `root` is.
 */
export function publishFiles(moves: { from: string; to: string }[], root: string): void {
  const folders = new Set(moves.map(({ to }) => dirname(to)))
  for (const folder of folders) ensureDurable(folder, root)
  for (const { from, to } of moves) renameSync(from, to)
  for (const folder of folders) syncFolder(folder)
}

/** Folders that are durable because this thread flushed their parents. */
const durable = new Set<string>()

/** A folder that is there may be of a process that died before it flushed the parent. */
function ensureDurable(folder: string, root: string): void {
  if (folder.length <= root.length || (durable.has(folder) && existsSync(folder))) return
  ensureDurable(dirname(folder), root)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  syncFolder(dirname(folder))
  durable.add(folder)
}

/** Makes a folder durable, with every name below it; nothing for one that is not there. */
export function flushTree(folder: string): void {
  if (!existsSync(folder)) return
  flushPath(dirname(folder))
  flushPath(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) flushTree(join(folder, entry.name))
  }
}
