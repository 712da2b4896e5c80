import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../errors.js'

/** Flushes a folder, so that names created in it or moved into it survive a power loss. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
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

/** Moves flushed files to their places, then flushes each folder once: durable when it returns. */
export function publishFiles(moves: { from: string; to: string }[]): void {
  const folders = new Set(moves.map(({ to }) => dirname(to)))
  for (const folder of folders) ensureFolder(folder)
  for (const { from, to } of moves) renameSync(from, to)
  for (const folder of folders) syncFolder(folder)
}
