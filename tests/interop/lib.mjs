// What the JavaScript suites share: checks with a time limit, and echo servers to aim them at.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

let failed = 0;

/** Runs one check and prints its line. Returns whether it passed. */
export async function check(name, run, seconds = 10) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([run(), limit]);
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${String(error?.message ?? error).split('\n').slice(0, 8).join(' | ')}`);
    if (process.env.TRACE) console.error(error);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Ends the suite: it must not linger on what a failed check left open. */
export function finish() {
  process.exit(failed ? 1 : 0);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A failure that nobody awaits is the business of the check that it makes fail.
process.on('unhandledRejection', (error) => console.error('unhandled:', error));

/** The most memory that a process has held, in KiB. */
export function peak(pid) {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** Starts the echo example (`$ECHO`) on a free port of the loopback interface. */
export async function startEcho(...args) {
  const child = spawn(process.env.ECHO, ['--addr', '127.0.0.1:0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const exit = once(child, 'exit').then(([code, signal]) => {
    children.delete(child);
    return code ?? signal;
  });
  let output = '';
  const url = await new Promise((resolve, reject) => {
    child.on('error', reject);
    exit.then((status) => reject(new Error(`echo ended with ${status} before it said its address: ${output}`)));
    child.stdout.on('data', (chunk) => {
      output += chunk;
      const found = /ws:\/\/[\d.]+:[1-9]\d*\/ws/.exec(output);
      if (found) resolve(found[0]);
    });
    setTimeout(() => reject(new Error(`echo did not say its address: ${output}`)), 10_000).unref();
  });
  return { url, page: url.replace(/^ws:(.*)ws$/, 'http:$1'), pid: child.pid, exit, kill: (signal) => child.kill(signal) };
}
