// The faults, each by itself: what is done to a cluster, and how it is mended.

import type { Cluster } from "./cluster.js";
import { cutBetween, mendBetween } from "./network.js";

/** Undoes a fault. */
export type Mend = () => Promise<void> | void;
export type Fault = (cluster: Cluster) => Promise<Mend>;

export const killLeader: Fault = async (cluster) => {
  const leader = await cluster.leader();
  await leader.kill();
  return () => leader.start();
};

export const killFollower: Fault = async (cluster) => {
  const [follower] = await cluster.followers();
  await follower?.kill();
  return () => follower?.start();
};

/** Nobody reaches it, and it reaches nobody: voters, etcd and clients alike. */
export const unplugLeader: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  place.unplug();
  return () => place.plug();
};

export const pauseLeader: Fault = async (cluster) => {
  const { program } = await cluster.leader();
  program.pause();
  return () => program.resume();
};

/** What the leader sends to other nodes and to etcd vanishes; what they send arrives. */
export const silenceLeader: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const others = placesBeside(cluster, place.name);
  for (const other of others) place.dropTo(other);
  return () => {
    for (const other of others) place.passTo(other);
  };
};

/** What other nodes and etcd send to the leader vanishes; what it sends arrives. */
export const deafenLeader: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const others = placesBeside(cluster, place.name);
  for (const other of others) other.dropTo(place);
  return () => {
    for (const other of others) other.passTo(place);
  };
};

/** Neither voters nor etcd and it hear of each other; clients reach it as before. */
export const isolateLeader: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const others = placesBeside(cluster, place.name);
  for (const other of others) cutBetween(place, other);
  return () => {
    for (const other of others) mendBetween(place, other);
  };
};

/** It keeps its lease, and no voter hears of it. */
export const cutLeaderFromVoters: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const voters = (await cluster.followers()).map((node) => node.place);
  for (const voter of voters) cutBetween(place, voter);
  return () => {
    for (const voter of voters) mendBetween(place, voter);
  };
};

/** It reaches the voters and they reach it, and its lease ends. */
export const cutLeaderFromEtcd: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const members = cluster.etcd.members.map((member) => member.place);
  for (const member of members) cutBetween(place, member);
  return () => {
    for (const member of members) mendBetween(place, member);
  };
};

/** Both of two nodes reach the third, and not each other: the leader and one that follows. */
export const cutLeaderFromOneVoter: Fault = async (cluster) => {
  const { place } = await cluster.leader();
  const [follower] = await cluster.followers();
  if (follower === undefined) throw new Error("Nobody follows.");
  cutBetween(place, follower.place);
  return () => mendBetween(place, follower.place);
};

export const killEtcd: Fault = async ({ etcd }) => {
  await etcd.kill();
  return () => etcd.start();
};

/** Connections stay, and nothing is answered. */
export const pauseEtcd: Fault = async ({ etcd }) => {
  for (const member of etcd.members) member.pause();
  await Promise.resolve();
  return () => {
    for (const member of etcd.members) member.resume();
  };
};

const slowKilobitsPerSecond = 1_000;

/** Its acknowledgements come late; so do its answers to clients. */
export const slowFollower: Fault = async (cluster) => {
  const [follower] = await cluster.followers();
  if (follower === undefined) throw new Error("Nobody follows.");
  follower.place.slowDown(slowKilobitsPerSecond);
  return () => follower.place.fullSpeed();
};

export const pauseFollower: Fault = async (cluster) => {
  const [follower] = await cluster.followers();
  if (follower === undefined) throw new Error("Nobody follows.");
  follower.program.pause();
  return () => follower.program.resume();
};

const placesBeside = ({ nodes, etcd }: Cluster, name: string) =>
  [...nodes, ...etcd.members].map(({ place }) => place).filter((place) => place.name !== name);
