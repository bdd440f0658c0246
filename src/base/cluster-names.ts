// The names that operators give to a cluster, its nodes and its zones. Short and plain, because they stand in certificates, in
// etcd's keys and in metrics.

/** 1 to 63 of `a-z`, `0-9` and `-`, with a letter or a digit at both ends. */
export const clusterNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const isClusterName = (text: string): boolean => clusterNamePattern.test(text);
