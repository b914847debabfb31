// Every view, in the order of the navigation.  `needs` is the route without which it is not offered.
import { el, link } from './el.js';
import { openAgents } from './agents.js';
import { openAudit } from './audit.js';
import { openCommand } from './command.js';
import { openCommands, openDead } from './commands.js';
import { openOperation, openOperations } from './operations.js';
import { openOverview } from './overview.js';
import { openQueues } from './queues.js';
import { openSchedule } from './schedule.js';
import { openSchedules } from './schedules.js';
import { openShards } from './shards.js';
import { openSubmit } from './submit.js';
import { openWorkflow } from './workflow.js';
import { openWorkflows } from './workflows.js';

function openNowhere(page) {
  page.show(
    el('div', { class: 'empty' }, el('h1', {}, 'There is no such page'), el('p', {}, link('#/', 'To the overview'))),
  );
}

export const VIEWS = [
  { name: '', label: 'Overview', title: 'Overview', open: openOverview },
  { name: 'commands', label: 'Commands', title: 'Commands', open: openCommands, openOne: openCommand, first: true },
  { name: 'dead', label: 'Dead letters', title: 'Dead letters', open: openDead },
  {
    name: 'schedules',
    label: 'Schedules',
    title: 'Schedules',
    open: openSchedules,
    openOne: openSchedule,
    needs: '/v1/schedules',
  },
  {
    name: 'workflows',
    label: 'Workflows',
    title: 'Workflows',
    open: openWorkflows,
    openOne: openWorkflow,
    needs: '/v1/workflows',
  },
  { name: 'queues', label: 'Queues', title: 'Queues', open: openQueues, needs: '/v1/queues' },
  { name: 'shards', label: 'Shards', title: 'Shards', open: openShards, first: true, needs: '/v1/shards' },
  { name: 'agents', label: 'Agents', title: 'Agents', open: openAgents },
  {
    name: 'operations',
    label: 'Operations',
    title: 'Operations',
    open: openOperations,
    openOne: openOperation,
    first: true,
    needs: '/v1/operations',
  },
  { name: 'audit', label: 'Audit', title: 'Audit', open: openAudit, needs: '/v1/audit' },
  { name: 'submit', title: 'Submit', open: openSubmit },
  { name: 'nowhere', title: 'Nothing here', open: openNowhere },
];
