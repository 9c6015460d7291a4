import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How large a C project is. */
export interface ProjectSize {
  readonly files: number
  /** How many functions each file has, of about ten lines each. */
  readonly functions: number
}

/** Each source file includes this many of the project's own headers. */
const INCLUDES = 8

/**
 * Writes a C project whose content depends on its size alone: source files with functions that call
 * functions of other files, a header for each, and a Makefile that builds a program in `build/`, with one
 * object file for each source file.
 */
export function writeProject(folder: string, { files, functions }: ProjectSize): void {
  for (const name of ['src', 'include']) mkdirSync(join(folder, name), { recursive: true })
  for (let i = 0; i < files; i++) {
    writeFileSync(join(folder, 'include', `part${i}.h`), header(i, functions))
    writeFileSync(join(folder, 'src', `part${i}.c`), source(i, files, functions))
  }
  writeFileSync(join(folder, 'src', 'main.c'), mainSource(files))
  writeFileSync(join(folder, 'Makefile'), MAKEFILE)
}

const MAKEFILE = `sources := $(wildcard src/*.c)
objects := $(sources:src/%.c=build/%.o)

build/program: $(objects)
\t$(CC) -o $@ $^

build/%.o: src/%.c | build
\t$(CC) -Iinclude -MMD -c -o $@ $<

build:
\tmkdir -p $@

clean:
\trm -rf build

.PHONY: clean
`

function header(part: number, functions: number): string {
  const lines = Array.from({ length: functions }, (_, i) => `long part${part}_step${i}(long);`)
  return `#ifndef PART${part}_H\n#define PART${part}_H\n${lines.join('\n')}\n#endif\n`
}

function source(part: number, files: number, functions: number): string {
  const used = Array.from({ length: INCLUDES }, (_, i) => (part + i * i) % files)
  const includes = used.map((other) => `#include "part${other}.h"`)
  const bodies = Array.from({ length: functions }, (_, i) => {
    const other = used[i % INCLUDES] ?? 0
    const next = other === part ? 'value' : `part${other}_step${i}(value - 1)`
    return `
long part${part}_step${i}(long value) {
  long sum = ${part + i};
  if (value <= 0)
    return sum;
  for (long i = 0; i < value % ${3 + (i % 5)}; i++) {
    sum = sum * 31 + (value ^ i);
  }
  return sum + ${next};
}
`
  })
  return `#include <stdio.h>\n${includes.join('\n')}\n${bodies.join('')}`
}

function mainSource(files: number): string {
  const parts = Array.from({ length: files }, (_, i) => i)
  const includes = parts.map((i) => `#include "part${i}.h"`).join('\n')
  const calls = parts.map((i) => `  sum += part${i}_step0(3);`).join('\n')
  return `#include <stdio.h>
${includes}

int main(void) {
  long sum = 0;
${calls}
  printf("%ld\\n", sum);
  return 0;
}
`
}
