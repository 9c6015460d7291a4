import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli, lowerdir, mainFile } from '../support/vm-cli.ts'

/** Nothing is on its PATH and nothing was fetched. */
function bareEnvironment(): Record<string, string | undefined> {
  const none = { LOWERDIR_QEMU: undefined, LOWERDIR_KERNEL: undefined, LOWERDIR_BUSYBOX: undefined }
  const empty = temporaryDirectory()
  return { ...none, HOME: empty, LOWERDIR_CACHE: empty, PATH: empty }
}

describe('lowerdir', () => {
  it.each([[[]], [['--help']], [['help']]])('%j lists the commands', async (args) => {
    const { status, stdout, stderr } = await lowerdir(args)
    expect([status, stderr]).toEqual([0, ''])
    for (const name of ['run', 'serve', 'test', 'setup', 'root', 'doctor']) {
      expect(stdout.toString()).toMatch(new RegExp(`^  ${name} +\\w+ .*$`, 'm'))
    }
  })

  it('--version says its version', async () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    )
    expect((await lowerdir(['--version'])).stdout.toString()).toBe(`${version}\n`)
  })

  it.each([
    [
      'run',
      ['root', 'share', 'owner', 'cwd', 'env', 'memory', 'cpus', 'accel', 'kernel', 'append'],
    ],
    ['run', ['qemu', 'timeout', 'verbose', 'keep', 'atime', 'tty', 'sandbox', 'transport']],
    ['serve', ['listen', 'export', 'read-only', 'owner', 'atime', 'limit', 'sandbox']],
    ['serve', ['allow-other-machines', 'verbose']],
    ['test', ['jobs', 'timeout', 'only', 'report', 'junit', 'artifacts', 'keep', 'verbose']],
    ['setup', ['suite', 'only', 'qemu']],
    ['snapshot', ['all']],
    ['doctor', []],
  ])('%s --help shows its options', async (name, options) => {
    const { status, stdout, stderr } = await lowerdir([name, '--help'])
    expect([status, stderr]).toEqual([0, ''])
    const text = stdout.toString()
    expect(text).toContain(`\nusage: lowerdir ${name}`)
    for (const option of options)
      expect(text).toMatch(new RegExp(`^  --${option}( \\S+)?  +\\w`, 'm'))
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  })

  it('help COMMAND says what COMMAND --help says', async () => {
    const asked = await lowerdir(['help', 'serve'])
    const { stdout } = await lowerdir(['serve', '--help'])
    expect([asked.status, asked.stderr]).toEqual([0, ''])
    expect(asked.stdout.toString()).toBe(stdout.toString())
  })

  it.each([
    [['frobnicate'], 'there is no command frobnicate. `lowerdir --help` lists them.'],
    [['tset'], 'there is no command tset. Did you mean test? `lowerdir --help` lists them.'],
    [['--verison'], 'there is no command --verison. Did you mean --version? `lowerdir'],
    [
      ['help', 'tset'],
      'there is no command tset. Did you mean test? `lowerdir --help` lists them.',
    ],
    [['constructor'], 'there is no command constructor. `lowerdir --help` lists them.'],
    [['run', '--bogus'], "Unknown option '--bogus'. `lowerdir run --help` lists the options."],
    [
      ['run', '--memry=1G'],
      "Unknown option '--memry'. Did you mean --memory? `lowerdir run --help` lists the options.",
    ],
    [['doctor', '--hlep'], "Unknown option '--hlep'. Did you mean --help? `lowerdir doctor"],
    [
      ['doctor', 'extra'],
      "Unexpected argument 'extra': doctor takes none. `lowerdir doctor --help` shows its usage.",
    ],
    [['setup', 'qemu', '--ocr'], "Unexpected argument 'qemu': setup takes none."],
    [['run', '--memory'], '`lowerdir run --help` lists the options.'],
    [['run', '--verbose=1'], '`lowerdir run --help` lists the options.'],
    [['doctor', '-x'], "Unknown option '-x'. `lowerdir doctor --help` lists the options."],
    [['test', '--jobs', '0'], '--jobs 0 is not a whole number from 1 to 1000.'],
    [['test', '--timeout', 'soon'], '--timeout soon is not a whole number'],
    [['test', '/no/such'], 'There are no tests at /no/such: name a file'],
    [['setup', '--qemu', 'oldest'], '--qemu oldest: choose one of newest.'],
    [['setup', '--only', 'all'], '--only all: choose one of qemu, busybox, kernel.'],
  ])('%j fails and says what to do', async (args, words) => {
    const { status, stdout, stderr } = await lowerdir(args)
    expect([status, stdout.toString()]).toEqual([125, ''])
    expect(stderr).toMatch(/^lowerdir: .*\n$/)
    expect(stderr).toContain(words)
  })

  it('needs Linux, and says so', async () => {
    const fake = `data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})`
    const argv = [process.execPath, '--import', fake, mainFile, 'run', '--', 'true']
    await using cli = Cli.staged({ argv, env: { TMPDIR: temporaryDirectory() } })
    const { status, stderr } = await cli.ended
    expect(status).toBe(125)
    expect(stderr).toBe(
      "lowerdir: needs Linux, and this is darwin: it serves files with Linux's own system calls.\n",
    )
  })
})

describe('lowerdir doctor', () => {
  it('says what is missing and what to do about it', async () => {
    const { status, stdout, stderr } = await lowerdir(['doctor'], { env: bareEnvironment() })
    expect([status, stderr]).toEqual([1, ''])
    const text = stdout.toString()
    expect(text).toMatch(/^QEMU +No QEMU found .* `lowerdir setup` fetches one\.$/m)
    expect(text).toMatch(/^accelerator +(kvm|tcg): \S/m)
    expect(text).toMatch(/^speed +a boot takes /m)
    expect(text).toMatch(/^transport +virtiofs or 9p if QEMU and the kernel can do it, else tcp$/m)
    expect(text).toMatch(/^sandbox +(no )?Landlock.*, no_new_privs, (no )?seccomp$/m)
    expect(text.trimEnd()).toMatch(/\nSomething is missing\. `lowerdir setup` fetches it\.$/)
  })
})

describe('lowerdir run', () => {
  it('says everything that is missing, and once what to do about it', async () => {
    const { status, stdout, stderr } = await lowerdir(['run', '--', 'true'], {
      env: bareEnvironment(),
    })
    expect([status, stdout.toString()]).toEqual([125, ''])
    expect(stderr).toMatch(/^lowerdir: No QEMU found/)
    expect(stderr.match(/`lowerdir setup`/g)).toHaveLength(1)
  })
})
