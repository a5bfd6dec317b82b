import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { describeNats, NatsRoom, optionsOf } from '../../nats/fixture.ts';
import { countsConformance } from './counts-suite.ts';
import { ManualTime } from './manual-time.ts';
import { busConformance } from './suite.ts';

const room = NatsRoom.use();

describeNats('on a real server', () => {
  const start = async () => {
    // An env for each test: nothing of one is seen in another.
    const env = room.env();
    const scheduler = new ManualTime();
    const windowMs = 60 * 60 * 1000;
    return {
      windowMs,
      open: () => NatsBus.open({ ...optionsOf(room.server.url, env), dedupeWindowMs: windowMs, scheduler }),
      advance: (ms: number) => scheduler.advance(ms),
      dispose: async () => undefined,
    };
  };

  busConformance('nats', start);
  countsConformance('nats', start);
});
