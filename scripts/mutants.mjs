// The mutants of a program: small changes to it, each of which a test should notice.

/** What an operator is changed to. Comparisons move by one; equality and arithmetic turn round. */
const operators = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '&': '|',
  '|': '&',
  '^': '&',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '+=': '-=',
  '-=': '+=',
  '&=': '|=',
  '|=': '&=',
  '++': '--',
  '--': '++',
}

/** Calls that only tell a person something: no test has to notice that a line of the log is missing. */
const telling = /^(?:this\.#?)?(?:log|say|debug)\(/

/**
 * @param {string} code JavaScript
 * @param {object} program its syntax tree, as ESTree has it, with offsets
 * @returns {{ start: number, end: number, replacement: string }[]}
 */
export function mutantsOf(code, program) {
  const mutants = []
  const replace = (start, end, replacement) => mutants.push({ start, end, replacement })
  const text = ({ start, end }) => code.slice(start, end)

  /** Replaces the operator between two operands. */
  const turn = (left, right, operator) => {
    const other = operators[operator]
    if (other === undefined) return
    const start = code.indexOf(operator, left)
    if (start >= 0 && start < right) replace(start, start + operator.length, other)
  }
  const decide = (test) => {
    for (const value of ['true', 'false'])
      if (text(test) !== value) replace(test.start, test.end, value)
  }
  const visit = {
    IfStatement: ({ test }) => decide(test),
    ConditionalExpression: ({ test }) => decide(test),
    // A condition that is always true makes most tests hang, which takes long and shows little.
    WhileStatement: ({ test }) => replace(test.start, test.end, 'false'),
    BinaryExpression: ({ left, right, operator }) => turn(left.end, right.start, operator),
    LogicalExpression: ({ left, right, operator }) => turn(left.end, right.start, operator),
    AssignmentExpression: ({ left, right, operator }) => turn(left.end, right.start, operator),
    UpdateExpression: ({ start, end, operator }) => {
      const at = code.indexOf(operator, start)
      if (at < end) replace(at, at + 2, operators[operator])
    },
    UnaryExpression: ({ start, operator, argument }) => {
      if (operator === '!' || operator === '~') replace(start, argument.start, '')
    },
    Literal: ({ start, end, value, bigint }) => {
      if (typeof value === 'boolean') replace(start, end, String(!value))
      else if (bigint !== undefined) replace(start, end, `${BigInt(value) + 1n}n`)
      else if (typeof value === 'number') replace(start, end, String(value + 1))
    },
    ExpressionStatement: ({ start, end, expression }) => {
      if (expression.type === 'CallExpression' && !telling.test(text(expression))) {
        replace(start, end, ';')
      }
    },
    ReturnStatement: ({ argument }) => {
      if (argument && argument.type !== 'Literal')
        replace(argument.start, argument.end, 'undefined')
    },
  }

  const walk = (node, inMessage) => {
    if (Array.isArray(node)) {
      for (const each of node) walk(each, inMessage)
      return
    }
    if (typeof node?.type !== 'string') return
    // The words of an error are asserted where they matter.
    const isMessage = inMessage || node.type === 'TemplateLiteral'
    if (!isMessage) visit[node.type]?.(node)
    for (const [key, child] of Object.entries(node)) {
      if (key !== 'type' && typeof child === 'object') walk(child, isMessage)
    }
  }
  walk(program.body, false)
  return mutants
}
