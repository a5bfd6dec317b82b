import { openKept } from '../../../host/bus/nats/kept.ts';
import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { openNatsBus } from '../../../host/bus/nats/open.ts';
import { describeNats, NatsRoom, optionsOf } from '../../nats/fixture.ts';
import { ManualTime } from './manual-time.ts';
import { parkingConformance } from './parking-suite.ts';
import { stateConformance } from './state-suite.ts';
import { timersConformance } from './timers-suite.ts';

const room = NatsRoom.use();

const start = async () => {
  // An env for each test: nothing of one is seen in another.
  const env = room.env();
  const scheduler = new ManualTime();
  return {
    open: async () => {
      const bus = await NatsBus.open({ ...optionsOf(room.server.url, env), scheduler });
      const publish: NatsBus['publish'] = (tenant, messages) => bus.publish(tenant, messages);
      const { state, timers, close } = await openKept({ connection: bus.connection, scheduler, publish });
      return {
        ...{ state, timers, publish },
        consume: bus.consume.bind(bus),
        tap: bus.tap.bind(bus),
        close: async () => {
          await close();
          await bus.close();
        },
      };
    },
    advance: (ms: number) => scheduler.advance(ms),
    dispose: async () => undefined,
  };
};

describeNats('on a real server', () => {
  stateConformance('nats', start);
  timersConformance('nats', start);
  parkingConformance('nats', async () => {
    const env = room.env();
    return {
      open: () => openNatsBus({ ...optionsOf(room.server.url, env), scheduler: new ManualTime() }),
      dispose: async () => undefined,
    };
  });
});
