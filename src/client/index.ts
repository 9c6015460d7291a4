export { Client } from './client.ts'
