/* Attacks a server until it is killed, in its own process: `run-attacks.ts` chooses the server and the attack. */
import { attacks, type Target } from './attack-kinds.js';

process.on('disconnect', () => process.exit());
process.on('message', ({ name, target }: { readonly name: string; readonly target: Target }) => {
  const attack = attacks[name];
  if (attack === undefined) throw new Error(`no such attack: ${name}`);
  attack(target).catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
  });
});
