// SPDX-License-Identifier: GPL-2.0
/* Disks and swap for the tests of memory objects: see memory.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/nbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <unistd.h>

#include "common.h"
#include "memory.h"

static bool modprobe(const char *module)
{
	char command[80];

	snprintf(command, sizeof(command), "modprobe -q %s 2>/dev/null", module);
	return system(command) == 0;
}

static int make_backing(size_t bytes, uint8_t fill)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, bytes))
		return -errno;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	memset(p, fill, bytes);
	munmap(p, bytes);
	return fd;
}

/* The device goes when its last descriptor is closed. */
static int loop_open(size_t bytes, uint8_t fill, char *path, size_t size)
{
	struct loop_config config = { .block_size = PAGE };
	int backing, control, n, fd, ret;

	modprobe("loop");
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -errno;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return -errno;
	snprintf(path, size, "/dev/loop%d", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	backing = make_backing(bytes, fill);
	config.fd = backing;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	ret = IOCTL(fd, LOOP_CONFIGURE, &config);
	close(backing);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int direct_open(size_t bytes, uint8_t fill)
{
	char path[32];
	int fd = loop_open(bytes, fill, path, sizeof(path)), direct;

	if (fd < 0)
		return fd;
	direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (direct < 0)
		direct = -errno;
	close(fd);
	return direct;
}

/* ---- a disk that waits --------------------------------------------------- */

#define SLOW_BYTES (16U << 20)

struct slow_server {
	struct slow_disk *d;
	uint8_t fill;
};

static bool slow_reply(struct slow_disk *d, const struct nbd_request *req,
		       uint8_t fill)
{
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
	size_t len = ntohl(req->len);
	uint8_t *data;
	bool ok;

	memcpy(reply.handle, req->handle, sizeof(reply.handle));
	ok = send(d->sock, &reply, sizeof(reply), MSG_NOSIGNAL) ==
	     sizeof(reply);
	if (ntohl(req->type) != NBD_CMD_READ)
		return ok;
	data = malloc(len);
	memset(data, fill, len);
	ok = ok && send(d->sock, data, len, MSG_NOSIGNAL) == (ssize_t)len;
	free(data);
	return ok;
}

static void *slow_serve(void *arg)
{
	struct slow_server *s = arg;
	struct slow_disk *d = s->d;
	struct nbd_request req;
	int answered = 0;

	while (recv(d->sock, &req, sizeof(req), MSG_WAITALL) == sizeof(req)) {
		if (ntohl(req.type) == NBD_CMD_DISC)
			break;
		__atomic_add_fetch(&d->waiting, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&d->open, __ATOMIC_SEQ_CST) <= answered)
			usleep(1000);
		if (!slow_reply(d, &req, s->fill))
			break;
		answered++;
	}
	free(s);
	return NULL;
}

static void *slow_run(void *arg)
{
	struct slow_disk *d = arg;

	ioctl(d->control, NBD_DO_IT);
	return NULL;
}

int slow_open(struct slow_disk *d, uint8_t fill)
{
	struct slow_server *s = malloc(sizeof(*s));
	uint64_t size;
	int sock[2];

	memset(d, 0, sizeof(*d));
	s->d = d;
	s->fill = fill;
	modprobe("nbd");
	/* Somebody's who uses it. */
	if (access("/sys/block/nbd0/pid", F_OK) == 0)
		return -EBUSY;
	d->control = open("/dev/nbd0", O_RDWR | O_CLOEXEC);
	if (d->control < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -errno;
	d->sock = sock[1];
	/* What opening reads of it is answered at once. */
	d->open = 1 << 30;
	if (ioctl(d->control, NBD_SET_BLKSIZE, PAGE) ||
	    ioctl(d->control, NBD_SET_SIZE_BLOCKS, SLOW_BYTES / PAGE) ||
	    ioctl(d->control, NBD_SET_SOCK, sock[0]))
		return -errno;
	close(sock[0]);
	pthread_create(&d->serve, NULL, slow_serve, s);
	pthread_create(&d->run, NULL, slow_run, d);
	/* It has no size before NBD_DO_IT has begun. */
	for (int i = 0; i < 500; i++) {
		d->fd = open("/dev/nbd0", O_RDWR | O_DIRECT | O_CLOEXEC);
		if (d->fd < 0)
			return -errno;
		if (!ioctl(d->fd, BLKGETSIZE64, &size) && size == SLOW_BYTES)
			return 0;
		close(d->fd);
		usleep(10000);
	}
	return -ETIMEDOUT;
}

bool slow_wait(struct slow_disk *d, int requests)
{
	for (int i = 0; i < 1000; i++) {
		if (__atomic_load_n(&d->waiting, __ATOMIC_SEQ_CST) >= requests)
			return true;
		usleep(10000);
	}
	return false;
}

void slow_answer(struct slow_disk *d, int requests)
{
	__atomic_store_n(&d->open, requests, __ATOMIC_SEQ_CST);
}

void slow_close(struct slow_disk *d)
{
	slow_answer(d, 1 << 30);
	close(d->fd);
	ioctl(d->control, NBD_DISCONNECT);
	ioctl(d->control, NBD_CLEAR_SOCK);
	pthread_join(d->run, NULL);
	shutdown(d->sock, SHUT_RDWR);
	pthread_join(d->serve, NULL);
	close(d->sock);
	close(d->control);
}

/* ---- swap ---------------------------------------------------------------- */

/* What mkswap(8) writes. */
struct swap_header {
	uint8_t boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t bad_pages;
	uint8_t pad[4096 - 1024 - 12 - 10];
	char magic[10];
} __attribute__((packed));

int swap_add(char path[SWAP_PATH], size_t bytes)
{
	struct swap_header header = {
		.version = 1, .last_page = bytes / PAGE - 1,
	};
	int fd, ret = 0;

	memcpy(header.magic, "SWAPSPACE2", sizeof(header.magic));
	fd = loop_open(bytes, 0, path, SWAP_PATH);
	if (fd < 0)
		return fd;
	if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    fsync(fd) || swapon(path, 0))
		ret = -errno;
	close(fd);
	return ret;
}

void swap_remove(const char *path)
{
	swapoff(path);
}

bool swap_out(int mem, void *at, size_t bytes)
{
	uint64_t before = mem_stat(mem).swapped;

	for (int i = 0; i < 50; i++) {
		if (madvise(at, bytes, MADV_PAGEOUT))
			return false;
		if (mem_stat(mem).swapped >= before + bytes)
			return true;
		usleep(20000);
	}
	return false;
}
