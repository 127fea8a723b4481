// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"
#include "guest.h"

int vireo_open(void)
{
	int fd = open("/dev/vireo", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int exit_path(int dev)
{
	struct vireo_info info = { .size = sizeof(info) };

	return ioctl(dev, VIREO_INFO, &info) ? -errno : (int)info.exit_path;
}

int kvm_vm_open(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm;

	if (kvm < 0)
		return -errno;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		vm = -errno;
	close(kvm);
	return vm;
}

int vireo_vm_open(int dev, int kvm_vm, const char *name)
{
	return vireo_vm_open_vcpus(dev, kvm_vm, name, GUEST_MAX_VCPUS);
}

int vireo_vm_open_vcpus(int dev, int kvm_vm, const char *name, uint32_t vcpus)
{
	struct vireo_vm_create create = {
		.size = sizeof(create),
		.kvm_fd = kvm_vm,
		.vcpus = vcpus,
	};

	snprintf(create.name, sizeof(create.name), "%s", name);
	return IOCTL(dev, VIREO_VM_CREATE, &create);
}

struct vireo_io_add io_template(uint32_t bus, uint64_t addr, uint64_t len,
				const struct vireo_rule *rules, uint32_t nr)
{
	struct vireo_io_add add = {
		.size = sizeof(add),
		.bus = bus,
		.nr_rules = nr,
		.addr = addr,
		.len = len,
		.rules = (uintptr_t)rules,
		.ring_fd = -1,
		.name = "test",
	};

	return add;
}

int io_add(int vm, struct vireo_io_add *add)
{
	int ret = IOCTL(vm, VIREO_IO_ADD, add);

	return ret ? ret : (int)add->id;
}

int io_del(int vm, uint32_t id)
{
	struct vireo_io_id arg = { .size = sizeof(arg), .id = id };

	return IOCTL(vm, VIREO_IO_DEL, &arg);
}

int io_enable(int vm, uint32_t id)
{
	struct vireo_io_id arg = { .size = sizeof(arg), .id = id };

	return IOCTL(vm, VIREO_IO_ENABLE, &arg);
}

int io_disable(int vm, uint32_t id)
{
	struct vireo_io_id arg = {
		.size = sizeof(arg), .flags = VIREO_IO_DISABLED, .id = id,
	};

	return IOCTL(vm, VIREO_IO_ENABLE, &arg);
}

int area_map(int vm, uint32_t id, uint32_t ring_entries, struct area *area)
{
	return area_map_pages(vm, id, 1, ring_entries, area);
}

int area_map_pages(int vm, uint32_t id, uint32_t shadow_pages,
		   uint32_t ring_entries, struct area *area)
{
	const size_t shadow = (size_t)shadow_pages * VIREO_SHADOW_SIZE;
	size_t size = shadow;
	void *p;

	if (ring_entries)
		size += sizeof(struct vireo_ring) +
			ring_entries * sizeof(struct vireo_post);
	size = (size + 4095) & ~(size_t)4095;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm,
		 id * VIREO_IO_AREA_STRIDE);
	if (p == MAP_FAILED)
		return -errno;
	area->shadow = p;
	area->ring = ring_entries ?
		(struct vireo_ring *)(area->shadow + shadow) : NULL;
	area->size = size;
	return 0;
}

void area_unmap(struct area *area)
{
	munmap(area->shadow, area->size);
}

bool ring_take(struct vireo_ring *ring, struct vireo_post *post)
{
	uint32_t head = ring->head;

	if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
		/* The last look before sleeping. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE))
			return false;
	}
	*post = ring->post[head & (ring->entries - 1)];
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

uint64_t eventfd_take(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { "", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &msg, 0) != 1)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

bool stats_dir(pid_t pid, char *path, size_t size)
{
	long long newest = -1, seq;
	struct dirent *d;
	DIR *dir;
	int p;

	dir = opendir(STATS_ROOT);
	if (!dir)
		return false;
	while ((d = readdir(dir)))
		if (sscanf(d->d_name, "vm-%d-%lld", &p, &seq) == 2 &&
		    p == pid && seq > newest)
			newest = seq;
	closedir(dir);
	if (newest < 0)
		return false;
	snprintf(path, size, STATS_ROOT "/vm-%d-%lld", pid, newest);
	return true;
}

long long stat_value(const char *file, const char *name)
{
	long long value = -1, v;
	char line[256], n[64];
	FILE *f;

	f = fopen(file, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lld", n, &v) == 2 && !strcmp(n, name))
			value = v;
	fclose(f);
	return value;
}

bool vm_gone(pid_t pid)
{
	char dir[64];

	for (int i = 0; i < 200; i++) {
		if (!stats_dir(pid, dir, sizeof(dir)))
			return true;
		usleep(10000);
	}
	return false;
}

/* The n-th word of a line, in place; NULL if there are fewer. */
static char *word(char *line, int n)
{
	char *save, *w = strtok_r(line, " \n", &save);

	while (w && n--)
		w = strtok_r(NULL, " \n", &save);
	return w;
}

long long region_stat(const char *dir, const char *region, const char *column)
{
	char path[300], head[512] = "", line[512], copy[512], *w;
	long long value = -1;
	int col;
	FILE *f;

	snprintf(path, sizeof(path), "%s/regions", dir);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(head, sizeof(head), f))
		head[0] = 0;
	for (col = 0;; col++) {
		strcpy(copy, head);
		w = word(copy, col);
		if (!w || !strcmp(w, column))
			break;
	}
	while (w && fgets(line, sizeof(line), f)) {
		strcpy(copy, line);
		if (strcmp(word(copy, 1) ?: "", region))
			continue;
		strcpy(copy, line);
		value = strtoll(word(copy, col) ?: "-1", NULL, 0);
	}
	fclose(f);
	return value;
}

int module_refcount(void)
{
	int n = -1;
	FILE *f = fopen("/sys/module/vireo/refcnt", "r");

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &n) != 1)
		n = -EIO;
	fclose(f);
	return n;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "vireo", O_NONBLOCK) ? -errno : 0;
}

int module_unload_soon(void)
{
	int ret = -EWOULDBLOCK;

	for (int i = 0; i < 200 && ret == -EWOULDBLOCK; i++) {
		ret = module_unload();
		if (ret)
			usleep(10000);
	}
	return ret;
}

int module_load(const char *params)
{
	const char *path = getenv("VIREO_KO");
	int fd, ret;

	if (!path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!params)
		params = getenv("VIREO_PARAMS") ?: "";
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}
