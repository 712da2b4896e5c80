/** One string for the bytes that a reference recorded: what was fetched is remembered under it. */
export function contentName({ ref, digest }: { ref: string; digest: string }): string {
  return `${ref}\0${digest}`
}
