// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings that the kernel serves, in a thread of its own that has this process's
 * memory.  It is made by the first ring's start, when the machine is locked in:
 * newer kernels make it one of this process's, of which there must be but one
 * until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../memory.h"
#include "vhost.h"

static int call(struct vhost *vh, unsigned long request, const void *arg)
{
	return ioctl(vh->fd, request, arg) ? -errno : 0;
}

/* It may be so already, where what comes next has failed before. */
static int kernel_own(struct vhost *vh)
{
	int rc = call(vh, VHOST_SET_OWNER, NULL);

	return rc == -EBUSY ? 0 : rc;
}

static int kernel_set_memory(struct vhost *vh)
{
	union {
		struct vhost_memory table;
		uint8_t room[sizeof(struct vhost_memory) +
			     MEM_MAX_BLOCKS *
				     sizeof(struct vhost_memory_region)];
	} u = { .room = { 0 } };
	const struct mem_block *b;
	unsigned int i;

	u.table.nregions = vh->mem->nr_blocks;
	for (i = 0; i < vh->mem->nr_blocks; i++) {
		b = &vh->mem->blocks[i];
		u.table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = b->gpa,
			.memory_size = b->len,
			.userspace_addr = (uintptr_t)b->hva,
		};
	}
	return call(vh, VHOST_SET_MEM_TABLE, &u.table);
}

static int kernel_set_features(struct vhost *vh, uint64_t features)
{
	return call(vh, VHOST_SET_FEATURES, &features);
}

static int kernel_start(struct vhost *vh, unsigned int index,
			const struct vhost_ring *r)
{
	struct vhost_vring_state num = { index, r->num };
	struct vhost_vring_state base = { index, r->base };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
	};
	struct vhost_vring_file kick = { index, r->kick_fd };
	struct vhost_vring_file irq = { index, r->call_fd };
	int rc = call(vh, VHOST_SET_VRING_NUM, &num);

	if (!rc)
		rc = call(vh, VHOST_SET_VRING_BASE, &base);
	if (!rc)
		rc = call(vh, VHOST_SET_VRING_ADDR, &addr);
	if (!rc)
		rc = call(vh, VHOST_SET_VRING_CALL, &irq);
	if (!rc)
		rc = call(vh, VHOST_SET_VRING_KICK, &kick);
	return rc;
}

/* The ring has nobody to serve it any more: only where it is, is asked. */
static int kernel_stop(struct vhost *vh, unsigned int index, uint16_t *base)
{
	struct vhost_vring_file none = { index, -1 };
	struct vhost_vring_state state = { index, 0 };
	int rc = call(vh, VHOST_SET_VRING_KICK, &none);

	if (!rc)
		rc = call(vh, VHOST_SET_VRING_CALL, &none);
	if (!rc)
		rc = call(vh, VHOST_GET_VRING_BASE, &state);
	*base = (uint16_t)state.num;
	return rc;
}

static int net_start(struct vhost *vh, unsigned int index,
		     const struct vhost_ring *r)
{
	struct vhost_vring_file backend = { index, vh->backend_fd };
	int rc = kernel_start(vh, index, r);

	return rc ? rc : call(vh, VHOST_NET_SET_BACKEND, &backend);
}

static int net_stop(struct vhost *vh, unsigned int index, uint16_t *base)
{
	struct vhost_vring_file none = { index, -1 };
	int rc = call(vh, VHOST_NET_SET_BACKEND, &none);

	return rc ? rc : kernel_stop(vh, index, base);
}

const struct vhost_ops vhost_net_ops = {
	.name = "vhost-net",
	.own = kernel_own,
	.set_memory = kernel_set_memory,
	.set_features = kernel_set_features,
	.start = net_start,
	.stop = net_stop,
};

const struct vhost_ops vhost_vsock_ops = {
	.name = "vhost-vsock",
	.own = kernel_own,
	.set_memory = kernel_set_memory,
	.set_features = kernel_set_features,
	.start = kernel_start,
	.stop = kernel_stop,
};

int vhost_kernel_open(struct vhost *vh, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t features;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, VHOST_GET_FEATURES, &features)) {
		close(fd);
		return -ENOTTY;
	}
	vh->fd = fd;
	vh->features = features;
	return 0;
}

int vhost_vsock_set_cid(struct vhost *vh, uint64_t cid)
{
	return call(vh, VHOST_VSOCK_SET_GUEST_CID, &cid);
}

int vhost_vsock_run(struct vhost *vh, bool on)
{
	int start = on, rc;

	pthread_mutex_lock(&vh->lock);
	rc = call(vh, VHOST_VSOCK_SET_RUNNING, &start);
	pthread_mutex_unlock(&vh->lock);
	return rc;
}
