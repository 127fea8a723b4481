/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the numbers come from: KVM's debugfs (kvm/, read_kvm.c) and vireo's
 * (vireo/, read_vireo.c; debugfs/README.md is its reference).  VMs come and go
 * meanwhile: a file that is not there any more is no error.
 */
#ifndef VIREO_STAT_READ_H
#define VIREO_STAT_READ_H

#include "object.h"

/* Where to read; file descriptors of directories. */
struct tree {
	int debugfs;
	int proc; /* -1: names of processes are not known */
};

/*
 * Opens /sys/kernel/debug and /proc, or if @root is not NULL that directory
 * and the proc in it.  On failure @why says what is wrong and what to do.
 */
int tree_open(struct tree *tree, const char *root, char *why, size_t room);
void tree_close(struct tree *tree);

/* Reads all into @s, which the caller clears.  0 or -errno (no memory). */
int sample_read(struct sample *s, const struct tree *tree);

/*
 * Removes the VMs whose name, id and pid are all not @vm.  Returns how many
 * are left.
 */
size_t sample_keep(struct sample *s, const char *vm);

/*
 * For sample_read().  @path is a directory below debugfs; all return 0 or
 * -ENOMEM.
 */
int read_kvm_host(struct object *host, const struct tree *tree);
int read_kvm_vm(struct object *vm, const struct tree *tree, const char *path);
int read_vireo_host(struct object *host, const struct tree *tree);
int read_vireo_vm(struct object *vm, const struct tree *tree, const char *path);

/* The vCPU of a directory vcpu<N>, found or added; NULL if there is no memory. */
struct object *read_vcpu(struct object *vm, const char *directory);
/* Whether @name is vcpu<N>. */
bool is_vcpu(const char *name);

/*
 * Parsers of the formats of vireo's files; @text is cut up.  Lines that they
 * do not understand are skipped.  0 or -ENOMEM.
 */

/* "name value" lines: numbers, or texts. */
int parse_pairs(struct object *o, char *text, bool gauges);
/* A header, then a line a region. */
int parse_regions(struct object *vm, char *text);
int parse_queues(struct object *vm, char *text);
/* Ranges, then a header and a line a memory object: sums, as memory_*. */
int parse_memory(struct object *vm, char *text);
/* "title:" and "title <id> <name>:" of a region, each followed by buckets. */
int parse_latency(struct object *o, char *text);

#endif
