/** Finds paths that are folders of others, among paths that come in order. */
export class Nesting {
  /** Earlier paths that the one at hand begins with, each of which begins with the one before. */
  readonly #beginnings: string[] = []

  /** Takes the next path. @returns an earlier one that is a folder of it, if there is one. */
  push(path: string): string | undefined {
    const beginnings = this.#beginnings
    while (beginnings.length > 0 && !path.startsWith(beginnings.at(-1)!)) beginnings.pop()
    const folder = beginnings.find(({ length }) => path[length] === '/')
    beginnings.push(path)
    return folder
  }
}
