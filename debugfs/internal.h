/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of this directory share.
 */
#ifndef _VIREO_STATS_INTERNAL_H
#define _VIREO_STATS_INTERNAL_H

#include "stats.h"

struct seq_file;

/**
 * struct vireo_sums - the numbers of a region, a vCPU, a VM or all VMs
 * @bus: what the module counted, by bus
 * @user: what the owners of vCPUs counted
 * @queue: what queues counted
 * @ring_peak: of a region
 */
struct vireo_sums {
	struct vireo_counters bus[VIREO_STATS_BUSES];
	struct vireo_vcpu_page user;
	struct vireo_queue_counters queue;
	u32 ring_peak;
};

/*
 * stats.c: adding up.  The caller holds vm->lock; resetting needs
 * vireo_reset_prepare() under the same lock first.
 */
int vireo_reset_prepare(struct vireo_vm_stats *vm);
void vireo_sum_region(struct vireo_vm_stats *vm, struct vireo_region_stats *s,
		      bool reset, struct vireo_sums *sums);
void vireo_sum_vcpu(struct vireo_vm_stats *vm, u32 id, bool reset,
		    struct vireo_sums *sums);
void vireo_sum_vm(struct vireo_vm_stats *vm, bool reset,
		  struct vireo_sums *sums);
/* Takes the locks. */
void vireo_sum_all(struct vireo_sums *sums);

/* Where numbers go (struct vireo_sink.form). */
enum vireo_form {
	VIREO_FORM_LINES,  /* "name value" lines */
	VIREO_FORM_HEADS,  /* names, above columns */
	VIREO_FORM_CELLS,  /* values, in these columns */
	VIREO_FORM_COUNT,  /* nowhere: how many they are */
	VIREO_FORM_RECORD, /* into a record */
};

/**
 * struct vireo_sink - where numbers go
 * @form: enum vireo_form
 * @m: the file; LINES, HEADS, CELLS
 * @desc: RECORD: the descriptors
 * @data: RECORD: the numbers
 * @nr_desc: COUNT, RECORD: descriptors so far
 * @nr_data: COUNT, RECORD: numbers so far
 */
struct vireo_sink {
	enum vireo_form form;
	struct seq_file *m;
	struct vireo_stats_desc *desc;
	u64 *data;
	u32 nr_desc;
	u32 nr_data;
};

/* names.c: all numbers with their names, in the order of files and records. */
extern const char *const vireo_bus_names[VIREO_STATS_BUSES];

__printf(4, 5) void vireo_put(struct vireo_sink *to, u32 type, u64 value,
			      const char *fmt, ...);
void vireo_put_bytes(struct vireo_sink *to, const char *name, u64 value);
void vireo_put_hist(struct vireo_sink *to, u32 unit, const char *name,
		    const u64 *bucket, u32 nr);
void vireo_put_exits(struct vireo_sink *to, const struct vireo_sums *sums);
void vireo_put_user(struct vireo_sink *to, const struct vireo_sums *sums);
void vireo_put_region(struct vireo_sink *to, const struct vireo_region_stats *s,
		      const struct vireo_sums *sums);
/* What info shows; the caller holds vm->lock. */
void vireo_put_vm(struct vireo_sink *to, const struct vireo_vm_stats *vm);
/* The times of served accesses, of both buses: VIREO_SERVED_BUCKETS. */
void vireo_served_time(const struct vireo_sums *sums, u64 *bucket);

/**
 * struct vireo_version - what the file version shows
 * @version: of the module
 * @exit_path: name of the exit path in use
 * @why: why that one
 */
struct vireo_version {
	const char *version;
	const char *exit_path;
	const char *why;
};

/* queues.c */
void vireo_sum_queue(struct vireo_vm_stats *vm, struct vireo_queue_stats *s,
		     bool reset, struct vireo_sums *sums);
void vireo_sum_queues(struct vireo_vm_stats *vm, bool reset,
		      struct vireo_sums *sums);
void vireo_put_queue(struct vireo_sink *to, const char *prefix,
		     const struct vireo_sums *sums);
void vireo_put_queue_hists(struct vireo_sink *to,
			   const struct vireo_sums *sums);
void vireo_files_vm_queues(struct vireo_vm_stats *vm, struct dentry *dir);

/* memory.c */
void vireo_files_memory(struct dentry *root);
void vireo_files_vm_memory(struct vireo_vm_stats *vm, struct dentry *dir);

/* files.c */
void vireo_show_hist(struct seq_file *m, const u64 *bucket, unsigned int nr);
struct dentry *vireo_files_root(struct vireo_version *version);
struct dentry *vireo_files_vm(struct vireo_vm_stats *vm, struct dentry *root);

#endif /* _VIREO_STATS_INTERNAL_H */
