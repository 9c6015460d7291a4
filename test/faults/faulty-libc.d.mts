/** What happens instead of a call: it fails, or it is asked for fewer bytes. */
export type Fault = { readonly errno: number } | { readonly most: number }

export const libc: {
  inject: ((name: string, index: number) => Fault | undefined) | undefined
  calls: string[]
  closedTwice: number[]
}
