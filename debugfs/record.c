// SPDX-License-Identifier: GPL-2.0
/*
 * The record of VIREO_STATS: the numbers of the files, in binary.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

static_assert(sizeof(struct vireo_stats_header) == 24);
static_assert(sizeof(struct vireo_stats_desc) == 16 + VIREO_STATS_NAME_SIZE);

/* All that a record has; vm and s are looked at for what is not in sums. */
static void put_all(struct vireo_sink *to, u32 what,
		    const struct vireo_vm_stats *vm,
		    const struct vireo_region_stats *s,
		    const struct vireo_sums *sums)
{
	u64 served[VIREO_SERVED_BUCKETS];

	if (what == VIREO_STATS_QUEUE) {
		vireo_put_queue(to, "", sums);
		vireo_put_queue_hists(to, sums);
		return;
	}
	if (what == VIREO_STATS_REGION) {
		vireo_put_region(to, s, sums);
	} else {
		if (what == VIREO_STATS_VM)
			vireo_put_vm(to, vm);
		vireo_put_exits(to, sums);
		vireo_put_user(to, sums);
		if (what == VIREO_STATS_VM)
			vireo_put_queue(to, "queue_", sums);
	}
	vireo_served_time(sums, served);
	vireo_put_hist(to, VIREO_STATS_CYCLES, "served_time", served,
		       VIREO_SERVED_BUCKETS);
	if (what != VIREO_STATS_REGION)
		vireo_put_hist(to, VIREO_STATS_CYCLES, "user_time",
			       sums->user.user_time, VIREO_NR_BUCKETS);
}

static struct vireo_region_stats *find_region(struct vireo_vm_stats *vm, u32 id)
{
	struct vireo_region_stats *s;

	lockdep_assert_held(&vm->lock);

	list_for_each_entry(s, &vm->regions, link)
		if (s->id == id)
			return s;
	return NULL;
}

/**
 * vireo_record_init() - allocate a record
 * @record: the record
 * @vm: the VM
 * @what: VIREO_STATS_VM, REGION, VCPU or QUEUE; checked
 *
 * Return: 0 or -ENOMEM.
 */
int vireo_record_init(struct vireo_record *record, struct vireo_vm_stats *vm,
		      u32 what)
{
	const struct vireo_region_stats none = {};
	struct vireo_sink to = { .form = VIREO_FORM_COUNT };
	struct vireo_stats_header *header;

	record->sums = kzalloc(sizeof(*record->sums), GFP_KERNEL);
	if (!record->sums)
		return -ENOMEM;
	mutex_lock(&vm->lock);
	put_all(&to, what, vm, &none, record->sums);
	mutex_unlock(&vm->lock);

	record->len = sizeof(*header) + VIREO_STATS_NAME_SIZE +
		      to.nr_desc * sizeof(*to.desc) +
		      to.nr_data * sizeof(*to.data);
	record->data = kvzalloc(record->len, GFP_KERNEL_ACCOUNT);
	if (!record->data) {
		kfree(record->sums);
		return -ENOMEM;
	}

	header = record->data;
	header->version = VIREO_STATS_VERSION;
	header->name_size = VIREO_STATS_NAME_SIZE;
	header->num_desc = to.nr_desc;
	header->id_offset = sizeof(*header);
	header->desc_offset = header->id_offset + VIREO_STATS_NAME_SIZE;
	header->data_offset =
		header->desc_offset + to.nr_desc * sizeof(*to.desc);
	return 0;
}

/**
 * vireo_record_destroy() - free a record
 * @record: the record
 */
void vireo_record_destroy(struct vireo_record *record)
{
	kvfree(record->data);
	kfree(record->sums);
}

static struct vireo_queue_stats *find_queue(struct vireo_vm_stats *vm, u32 id)
{
	struct vireo_queue_stats *s;

	lockdep_assert_held(&vm->lock);

	list_for_each_entry(s, &vm->queues, link)
		if (s->id == id)
			return s;
	return NULL;
}

/* The name and the sums of what is described; @s if it is a region. */
static int sum(struct vireo_record *record, struct vireo_vm_stats *vm, u32 what,
	       u32 id, bool reset, struct vireo_region_stats **s)
{
	const struct vireo_stats_header *header = record->data;
	char *name = record->data + header->id_offset;
	struct vireo_queue_stats *q;
	int ret;

	lockdep_assert_held(&vm->lock);

	*s = what == VIREO_STATS_REGION ? find_region(vm, id) : NULL;
	q = what == VIREO_STATS_QUEUE ? find_queue(vm, id) : NULL;
	if ((what == VIREO_STATS_REGION && !*s) ||
	    (what == VIREO_STATS_VCPU && id >= vm->vcpus) ||
	    (what == VIREO_STATS_QUEUE && !q))
		return -ENOENT;
	ret = reset ? vireo_reset_prepare(vm) : 0;
	if (ret)
		return ret;

	switch (what) {
	case VIREO_STATS_VM:
		strscpy(name, vm->name, VIREO_STATS_NAME_SIZE);
		vireo_sum_vm(vm, reset, record->sums);
		break;
	case VIREO_STATS_REGION:
		strscpy(name, (*s)->name, VIREO_STATS_NAME_SIZE);
		vireo_sum_region(vm, *s, reset, record->sums);
		break;
	case VIREO_STATS_QUEUE:
		strscpy(name, q->name, VIREO_STATS_NAME_SIZE);
		vireo_sum_queue(vm, q, reset, record->sums);
		break;
	case VIREO_STATS_VCPU:
		snprintf(name, VIREO_STATS_NAME_SIZE, "vcpu%u", id);
		vireo_sum_vcpu(vm, id, reset, record->sums);
		break;
	}
	return 0;
}

/**
 * vireo_record_fill() - fill a record
 * @record: from vireo_record_init()
 * @vm: as there
 * @what: as there
 * @id: of the region, the vCPU or the queue
 * @reset: count from zero after this
 *
 * Return: 0, -ENOENT or -ENOMEM; nothing is reset then.
 */
int vireo_record_fill(struct vireo_record *record, struct vireo_vm_stats *vm,
		      u32 what, u32 id, bool reset)
{
	const struct vireo_stats_header *header = record->data;
	struct vireo_sink to = {
		.form = VIREO_FORM_RECORD,
		.desc = record->data + header->desc_offset,
		.data = record->data + header->data_offset,
	};
	struct vireo_region_stats *s;
	int ret;

	mutex_lock(&vm->lock);
	ret = sum(record, vm, what, id, reset, &s);
	if (!ret)
		put_all(&to, what, vm, s, record->sums);
	mutex_unlock(&vm->lock);
	return ret;
}
