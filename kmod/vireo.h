/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's private header.
 *
 * Objects: a VM (struct vireo_vm) is a file descriptor and owns regions
 * (struct vireo_region).  A region is reached in two ways: by vCPUs through
 * the exit path's entry (kvm_bus.c, or run.c and table.c), which ends before
 * the region does, and by mmap through vireo_vm.regions, with a reference.  A
 * vCPU (struct vireo_vcpu) is a file descriptor, too.  Block queues of a VM, and
 * disks, are in queue.h, memory objects in mem.h.
 *
 * Locks, in the order in which they nest:
 *
 *  1 vireo_vcpu.lock         mutex     VIREO_VCPU_RUN; all that KVM_RUN takes
 *                                      nests inside, 2 to 4 are not taken
 *  2 vireo_vm.lock           mutex     adding and removing regions and vCPUs
 *  3 kvm->slots_lock         mutex     KVM's; the bus arrays and
 *                                      vireo_bus_dev.attached
 *  4 those of debugfs/stats.h
 *    vireo_vm.maps_lock      rwsem     what guest memory is; those of mem.h nest
 *                                      inside, and user memory is not touched
 *                                      (those of queue.h are around it)
 *  5 vireo_vm.regions' lock  spinlock  from id to region; a lookup takes its
 *                                      reference under it
 *  6 vireo_region.ring_lock  spinlock  the producer side of the POST ring
 *
 * mmap_lock nests inside slots_lock (KVM maps memory of its own under it) and
 * outside 5 (mmap).  So user memory is copied, mmap looks a region up, and a
 * vCPU's pages are pinned without 1 to 4.
 *
 * Serving an access: the vCPU thread is inside kvm->srcu (bus) or an RCU
 * reader (run), and takes 6 and nothing else.  Removal waits for kvm->srcu
 * under 2 and 3, or for RCU under 2.  A vCPU that rings a queue's doorbell is
 * inside kvm->srcu, too, and takes those of queue.h.
 */
#ifndef _VIREO_H
#define _VIREO_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "rules.h"
#include "stats.h"

#define VIREO_VERSION "0.1.0"

#define VIREO_MAX_REGIONS 256
#define VIREO_MAX_RING 16384
#define VIREO_MAX_REGION_LEN (1ULL << 30)

struct eventfd_ctx;
struct file;
struct kvm_run;
struct page;
struct vireo_bus_dev;
struct vireo_queue;
struct vireo_table;

/**
 * struct vireo_vm - what one VM file descriptor stands for
 * @kvm_file: KVM's VM file; owns a reference, and through it KVM's VM
 * @area_file: the file that mapped areas name, so that a mapping does not keep
 *             the VM file descriptor's object alive; owns a reference
 * @lock: serializes adding and removing regions and vCPUs
 * @regions: from id to region; owns a reference to each
 * @queues: from id to queue; owns a reference to each; changed under @lock
 * @table: run entry: the regions on each bus, by address; read under RCU,
 *         written under @lock
 * @vcpus: struct vireo_vcpu.link; protected by @lock
 * @maps: struct vireo_map.link, by address; protected by @maps_lock
 * @maps_lock: protects @maps and @nr_maps
 * @nr_maps: in @maps
 * @kref: held by the VM file descriptor and by each vCPU, which needs the
 *        memory and finds no region once that descriptor is closed
 * @stats: statistics
 * @name: as given
 */
struct vireo_vm {
	struct file *kvm_file;
	struct file *area_file;
	struct mutex lock;
	struct xarray regions;
	struct xarray queues;
	struct vireo_table __rcu *table[2];
	struct list_head vcpus;
	struct list_head maps;
	struct rw_semaphore maps_lock;
	unsigned int nr_maps;
	struct kref kref;
	struct vireo_vm_stats stats;
	char name[32];
};

/**
 * struct vireo_vcpu - what one vCPU file descriptor stands for
 * @vm: the VM; owns a reference
 * @kvm_file: KVM's vCPU file; owns a reference
 * @run: its first page, which the owner may write at any time
 * @io_data: its second page, likewise: data of port accesses
 * @id: the vCPU's id
 * @hint: by bus, where the last search for a region ended; protected by @lock
 * @data: of the write that is being served; protected by @lock
 * @page: what the owner counts, written by it at any time
 * @stats: statistics, which are that
 * @lock: held while it runs
 * @link: in vireo_vm.vcpus
 * @run_pages: pinned pages of @run and @io_data
 * @page_page: page of @page; owns a reference, as do mappings
 */
struct vireo_vcpu {
	struct vireo_vm *vm;
	struct file *kvm_file;
	struct kvm_run *run;
	u64 *io_data;
	u32 id;
	unsigned int hint[2];
	u64 data;
	const struct vireo_vcpu_page *page;
	struct vireo_vcpu_stats stats;
	struct mutex lock;
	struct list_head link;
	struct page *run_pages[2];
	struct page *page_page;
};

/**
 * struct vireo_region - an I/O region
 * @addr: first address
 * @len: bytes
 * @quick: what the hot path goes by, for each direction: of @rules, or
 *         vireo_quick_none while it is not enabled
 * @enabled: whether it serves; changed with @quick, under vireo_vm.lock
 * @rules: the compiled rules; owned
 * @shadow: the shadow pages, written by the owner of the VM at any time
 * @ring: the POST ring, if there is one; protected by @ring_lock
 * @ring_lock: serializes vCPUs that post
 * @ring_ctx: signalled when the ring turns non-empty, or NULL; owns a reference
 * @stats: statistics
 * @kref: held by vireo_vm.regions and by a lookup
 * @bus: VIREO_BUS_*
 * @bus_dev: bus entry: its handle while vCPUs can reach the region
 * @area: kernel mapping of @pages
 * @pages: shadow pages and ring; owns a reference to each, as do mappings
 * @nr_pages: pages in @pages
 * @name: as given
 *
 * Everything but @quick, @enabled and the ring is read-only once published.
 */
struct vireo_region {
	u64 addr;
	u64 len;
	const struct vireo_quick *quick[VIREO_NR_DIRS];
	bool enabled;
	struct vireo_rules *rules;
	u8 *shadow;

	struct vireo_post_ring ring;
	spinlock_t ring_lock;
	struct eventfd_ctx *ring_ctx;

	struct vireo_region_stats stats;
	struct kref kref;
	u32 bus;
	struct vireo_bus_dev *bus_dev;
	void *area;
	struct page **pages;
	unsigned int nr_pages;
	char name[32];
};

/* Any ioctl argument. */
union vireo_arg {
	u32 size;
	struct vireo_info info;
	struct vireo_vm_create vm_create;
	struct vireo_io_add io_add;
	struct vireo_io_id io_id;
	struct vireo_vcpu_create vcpu_create;
	struct vireo_stats stats;
	struct vireo_mem_create mem_create;
	struct vireo_mem_stat mem_stat;
	struct vireo_mem_range mem_range;
	struct vireo_dirty_log dirty_log;
	struct vireo_dirty_fetch dirty_fetch;
	struct vireo_mem_snapshot mem_snapshot;
	struct vireo_snapshot_stat snapshot_stat;
	struct vireo_mem_map mem_map;
	struct vireo_disk_create disk_create;
	struct vireo_disk_set disk_set;
	struct vireo_queue_add queue_add;
	struct vireo_queue_del queue_del;
	struct vireo_queue_state queue_state;
};

/**
 * struct vireo_ioctl - a row of an ioctl table
 * @cmd: the ioctl's number
 * @size: size of the argument as this module knows it
 * @min_size: size of its first version
 * @fn: does it; the argument is copied in, what it gives back the handler
 *      copies out to the user address
 */
struct vireo_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	long (*fn)(void *object, union vireo_arg *arg, void __user *uarg);
};

#define VIREO_IOCTL(_cmd, _fn, _type, _last)           \
	[_IOC_NR(_cmd) & 0x3f] = {                     \
		.cmd = _cmd,                           \
		.size = sizeof(_type),                 \
		.min_size = offsetofend(_type, _last), \
		.fn = _fn,                             \
	}

/* main.c */
u32 vireo_exit_path_used(void);
unsigned long vireo_vm_ioctl_known(void);
void vireo_vm_ioctl_learn(unsigned long function);
bool vireo_name_ok(const char *name, size_t size, bool spaces);
long vireo_do_ioctl(const struct vireo_ioctl *table, unsigned int rows,
		    void *object, unsigned int cmd, unsigned long uaddr);

/* vm.c */
long vireo_vm_create(void *unused, union vireo_arg *arg, void __user *uarg);
void vireo_vm_get(struct vireo_vm *vm);
void vireo_vm_put(struct vireo_vm *vm);

/* vcpu.c */
long vireo_vcpu_create(void *object, union vireo_arg *arg, void __user *uarg);

/* run.c */
long vireo_run(struct vireo_vcpu *vcpu);

/* io.c */
long vireo_io_add(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_io_del(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_io_enable(void *object, union vireo_arg *arg, void __user *uarg);
void vireo_io_del_all(struct vireo_vm *vm);
bool vireo_regions_overlap(struct vireo_vm *vm, u32 bus, u64 addr, u64 len);
struct eventfd_ctx *vireo_eventfd_get(int fd);
struct vireo_region *vireo_region_get(struct vireo_vm *vm, unsigned long id);
void vireo_region_put(struct vireo_region *region);

/* serve.c */
int vireo_region_read(struct vireo_region *region, u32 vcpu, u64 addr, u32 len,
		      void *val);
int vireo_region_write(struct vireo_region *region, u32 vcpu, u64 addr, u32 len,
		       const void *val);
void vireo_region_enable(struct vireo_region *region, bool on);

/* kvm_bus.c */
bool vireo_kvm_is_vm(const struct file *file);
bool vireo_kvm_is_vcpu(const struct file *file, const struct file *kvm_file,
		       u32 id);
bool vireo_kvm_is_ours(const struct file *kvm_file);
struct vireo_bus_dev *vireo_bus_add(struct file *kvm_file,
				    struct vireo_region *region);
struct vireo_bus_dev *vireo_bus_add_queue(struct file *kvm_file,
					  struct vireo_queue *q, u32 bus,
					  u64 addr, u32 len);
void vireo_bus_del(struct file *kvm_file, struct vireo_bus_dev *bus_dev);

#endif /* _VIREO_H */
