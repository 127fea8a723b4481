// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"
#include "ring.h"

int rig_open(struct rig *r)
{
	return rig_open_on(r, kvm_vm_open());
}

int rig_open_on(struct rig *r, int kvm)
{
	int ret;

	memset(r, 0, sizeof(*r));
	r->disk = -1;
	ret = object_open(&r->dev, &r->mem, &r->p, RIG_BYTES);
	if (ret)
		return ret;
	r->kvm = kvm;
	r->vm = vireo_vm_open(r->dev, r->kvm, "queue");
	if (r->vm < 0)
		return r->vm;
	r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->desc = (void *)(r->p + RIG_DESC);
	r->avail = (void *)(r->p + RIG_AVAIL);
	r->used = (void *)(r->p + RIG_USED);
	return mem_tell(r->vm, r->mem, RIG_GPA, RIG_BYTES, 0);
}

void rig_pack(struct rig *r)
{
	static struct vring_desc stage[RIG_NUM];

	r->is_packed = true;
	r->desc = stage;
	r->packed = (void *)(r->p + RIG_DESC);
	r->driver = (void *)(r->p + RIG_AVAIL);
	r->device = (void *)(r->p + RIG_USED);
	r->add = r->look = 0x8000;
}

void rig_close(struct rig *r)
{
	close(r->vm);
	close(r->kvm);
	if (r->disk >= 0)
		close(r->disk);
	close(r->call);
	close(r->kick);
	close(r->event);
	object_close(r->dev, r->mem, r->p, RIG_BYTES);
}

struct vireo_disk_create disk_template(int fd, uint64_t bytes)
{
	return (struct vireo_disk_create){
		.size = sizeof(struct vireo_disk_create),
		.fd = fd,
		.block_size = 512,
		.bytes = bytes,
		.serial = "the serial number 20",
	};
}

int rig_disk(struct rig *r, int fd, uint64_t bytes, uint32_t flags)
{
	struct vireo_disk_create create = disk_template(fd, bytes);

	create.flags = flags;
	ioctl(fd, BLKSSZGET, &create.block_size);
	r->disk = IOCTL(r->dev, VIREO_DISK_CREATE, &create);
	return r->disk < 0 ? r->disk : 0;
}

struct vireo_queue_add queue_template(const struct rig *r)
{
	uint64_t packed = r->is_packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0;

	return (struct vireo_queue_add){
		.size = sizeof(struct vireo_queue_add),
		.disk_fd = r->disk,
		.num = RIG_NUM,
		.features = FEATURE(VIRTIO_F_VERSION_1) | packed |
			    FEATURE(VIRTIO_BLK_F_FLUSH) |
			    FEATURE(VIRTIO_BLK_F_DISCARD) |
			    FEATURE(VIRTIO_BLK_F_WRITE_ZEROES),
		.desc = RIG_GPA + RIG_DESC,
		.avail = RIG_GPA + RIG_AVAIL,
		.used = RIG_GPA + RIG_USED,
		.next_avail = r->add,
		.next_used = r->look,
		.call_fd = r->call,
		.kick_fd = r->kick,
		.event_fd = r->event,
		.name = "disk",
	};
}

int rig_add(struct rig *r, struct vireo_queue_add *add)
{
	int ret = IOCTL(r->vm, VIREO_QUEUE_ADD, add);

	r->id = add->id;
	return ret;
}

int rig_del(struct rig *r, struct vireo_queue_del *del)
{
	del->size = sizeof(*del);
	del->id = r->id;
	return IOCTL(r->vm, VIREO_QUEUE_DEL, del);
}

struct vireo_queue_state rig_state(const struct rig *r)
{
	struct vireo_queue_state state = {
		.size = sizeof(state), .id = r->id,
	};

	if (ioctl(r->vm, VIREO_QUEUE_STATE, &state))
		state.size = 0;
	return state;
}

struct rig_req *rig_req(struct rig *r, uint16_t head)
{
	return (struct rig_req *)(r->p + RIG_REQ) + head;
}

void rig_set_desc(struct rig *r, uint16_t i, uint32_t offset, uint32_t len,
		  uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){
		.addr = RIG_GPA + offset, .len = len, .flags = flags,
		.next = next,
	};
}

uint16_t rig_place(uint16_t place, int n)
{
	int at = (place & 0x7fff) + n;

	return at < RIG_NUM ? place + n : (place ^ 0x8000) + n - RIG_NUM;
}

#define AVAIL_FLAG (1 << VRING_PACKED_DESC_F_AVAIL)
#define USED_FLAG (1 << VRING_PACKED_DESC_F_USED)

static void offer_packed(struct rig *r, uint16_t head)
{
	struct vring_packed_desc *first = r->packed + (r->add & 0x7fff), *d;
	uint16_t i = head, flags, first_flags = 0;

	for (r->nr_desc[head] = 0;; i = r->desc[i].next) {
		d = r->packed + (r->add & 0x7fff);
		d->addr = r->desc[i].addr;
		d->len = r->desc[i].len;
		d->id = head;
		flags = r->desc[i].flags |
			(r->add & 0x8000 ? AVAIL_FLAG : USED_FLAG);
		if (d == first)
			first_flags = flags;
		else
			d->flags = flags;
		r->add = rig_place(r->add, 1);
		r->nr_desc[head]++;
		if (!(flags & VRING_DESC_F_NEXT))
			break;
	}
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_SEQ_CST);
}

void rig_offer(struct rig *r, uint16_t head)
{
	if (r->is_packed) {
		offer_packed(r, head);
		return;
	}
	r->avail->ring[r->next_avail++ % RIG_NUM] = head;
	__atomic_store_n(&r->avail->idx, r->next_avail, __ATOMIC_SEQ_CST);
}

/* Three descriptors are of each request; the ring has room for 21 at once. */
static uint16_t new_head(struct rig *r)
{
	uint16_t head = r->next_desc;

	r->next_desc = (head + 3) % (RIG_NUM / 3 * 3);
	return head;
}

static uint32_t offset_of(struct rig *r, const void *p)
{
	return (const uint8_t *)p - r->p;
}

static uint16_t put(struct rig *r, uint32_t type, uint64_t sector,
		    uint32_t data, uint32_t len, uint16_t data_flags)
{
	uint16_t head = new_head(r);
	struct rig_req *req = rig_req(r, head);

	req->header = (struct virtio_blk_outhdr){
		.type = type, .sector = sector,
	};
	req->status = 0xff;
	rig_set_desc(r, head, offset_of(r, &req->header), sizeof(req->header),
		     VRING_DESC_F_NEXT, len ? head + 1 : head + 2);
	rig_set_desc(r, head + 1, data, len, VRING_DESC_F_NEXT | data_flags,
		     head + 2);
	rig_set_desc(r, head + 2, offset_of(r, &req->status), 1,
		     VRING_DESC_F_WRITE, 0);
	return head;
}

uint16_t rig_build(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
		   uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	return put(r, type, sector, data, len, in ? VRING_DESC_F_WRITE : 0);
}

uint16_t rig_put(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
		 uint32_t len)
{
	uint16_t head = rig_build(r, type, sector, data, len);

	rig_offer(r, head);
	return head;
}

uint16_t rig_put_range(struct rig *r, uint32_t type, uint64_t sector,
		       uint32_t sectors, uint32_t flags)
{
	uint16_t head = r->next_desc;
	struct rig_req *req = rig_req(r, head);

	req->range.sector = sector;
	req->range.num_sectors = sectors;
	req->range.flags = flags;
	put(r, type, 0, offset_of(r, &req->range), sizeof(req->range), 0);
	rig_offer(r, head);
	return head;
}

void rig_kick(struct rig *r)
{
	uint64_t one = 1;

	if (write(r->kick, &one, sizeof(one)) != sizeof(one))
		abort();
}

static bool is_used(const struct rig *r, const struct vring_packed_desc *d)
{
	uint16_t both = AVAIL_FLAG | USED_FLAG;
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE) & both;

	return flags == (r->look & 0x8000 ? both : 0);
}

uint16_t rig_given(struct rig *r)
{
	const struct vring_packed_desc *d;
	const struct vring_used_elem *e;

	if (!r->is_packed) {
		r->given = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
		e = &r->used->ring[(uint16_t)(r->given - 1) % RIG_NUM];
		r->last_id = e->id;
		r->last_len = e->len;
		return r->given;
	}
	while (d = r->packed + (r->look & 0x7fff), is_used(r, d)) {
		r->last_id = d->id;
		r->last_len = d->len;
		if (d->id >= RIG_NUM || !r->nr_desc[d->id])
			abort();
		r->look = rig_place(r->look, r->nr_desc[d->id]);
		r->nr_desc[d->id] = 0;
		r->given++;
	}
	return r->given;
}

/* With event indexes: an interrupt for the last of so many. */
static void wish(struct rig *r, uint16_t want)
{
	uint32_t next;

	if (r->is_packed) {
		/* For the next one, as they may come in any order. */
		next = r->look | VRING_PACKED_EVENT_FLAG_DESC << 16;
		__atomic_store_n((uint32_t *)r->driver, next, __ATOMIC_SEQ_CST);
	} else {
		__atomic_store_n(&r->avail->ring[RIG_NUM], want - 1,
				 __ATOMIC_SEQ_CST);
	}
}

bool rig_wait(struct rig *r, int nr)
{
	struct pollfd poll_fd = { .fd = r->call, .events = POLLIN };
	uint16_t want = r->seen + nr;

	for (;;) {
		rig_given(r);
		wish(r, want);
		/* Once more: what came before the wish. */
		if ((uint16_t)(rig_given(r) - r->seen) >= nr)
			break;
		if (poll(&poll_fd, 1, 5000) != 1)
			return false;
		eventfd_take(r->call);
	}
	r->seen = want;
	return true;
}

uint8_t rig_do(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
	       uint32_t len)
{
	uint16_t head = rig_put(r, type, sector, data, len);

	rig_kick(r);
	return rig_wait(r, 1) ? rig_req(r, head)->status : 255;
}

int ram_open(void)
{
	int fd;

	if (access("/dev/ram0", F_OK) &&
	    system("modprobe -q brd rd_nr=1 rd_size=16384 2>/dev/null"))
		return -ENODEV;
	fd = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ioctl(fd, BLKFLSBUF, 0);
	return fd;
}
