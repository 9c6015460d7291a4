/** A declaration with `using` that Node calls a mistake, as Node shows it: the line, and marks below its place. */
const USING =
  /^\s*(?:for (?:await )?\(\s*(?:const )?)?(?:await )?using [\w$]+ .*\n\s*\^+\n\s*\nSyntaxError: /m

/**
 * What to write instead of the line that Node calls a SyntaxError, where that line has `using` or `await using`; undefined
 * for any other error. Only types are removed from a test file, so Node has to know this syntax, and 24 is the first that
 * does.
 *
 * @param output the end of what Node has printed.
 * @param version of Node.
 */
export function syntaxAdvice(output: string, version = process.version): string | undefined {
  if (!USING.test(output)) return undefined
  return (
    `\`await using\` needs Node.js 24, and this is ${version}. ` +
    'Use `boot({ …, test: t })`, which ends the machine with the test, ' +
    'or `try { … } finally { await vm[Symbol.asyncDispose]() }`.'
  )
}
