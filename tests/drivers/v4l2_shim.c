/* A camera without a kernel driver: preloaded into a process, it answers for two nodes of Video4Linux.
 *
 * CAMERA_SHIM names a folder. "<folder>/video-index0" takes pictures, "<folder>/video-index1" carries metadata, as
 * those of a UVC camera; both appear and disappear with the file itself. "<folder>/mode" holds words: busy (another
 * program streams), nospace (no bandwidth), yuyv (no MJPG), denied. Pictures come from the unix socket
 * "<folder>/pictures": the client sends two words (width and height, or zeros to stop), the server sends pictures
 * as length (32 bits), time (microseconds of CLOCK_MONOTONIC, 64 bits) and bytes. What is set is written to
 * "<folder>/log", a line each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_FDS = 1024, MOST_BUFFERS = 16, METADATA = 1 };

struct camera {
    int node, memory, streaming, count, queued, queue[MOST_BUFFERS];
    unsigned width, height, format, sequence;
    size_t size;
};

static struct camera *cameras[MOST_FDS];

static const char *folder(void) { return getenv("CAMERA_SHIM"); }

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static struct camera *camera_of(int fd) { return fd >= 0 && fd < MOST_FDS ? cameras[fd] : NULL; }

static int node_of(const char *path) {
    size_t length = folder() ? strlen(folder()) : 0;
    if (!length || !path || strncmp(path, folder(), length)) return -1;
    if (!strcmp(path + length, "/video-index0")) return 0;
    return strcmp(path + length, "/video-index1") ? -1 : METADATA;
}

static void note(const char *what, long value) {
    char path[256], line[128];
    snprintf(path, sizeof path, "%s/log", folder());
    int fd = ((int (*)(const char *, int, ...))real("open"))(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int size = snprintf(line, sizeof line, "%s %ld\n", what, value);
    if (fd >= 0) {
        if (write(fd, line, size) < 0) abort();
        close(fd);
    }
}

static int has_mode(const char *word) {
    char path[256], modes[128] = "";
    snprintf(path, sizeof path, "%s/mode", folder());
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (!fgets(modes, sizeof modes, file)) modes[0] = 0;
    fclose(file);
    return strstr(modes, word) != NULL;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static int open_camera(int node, int flags) {
    char path[108];
    if (has_mode("denied")) return fail(EACCES);
    int fd = socket(AF_UNIX, SOCK_STREAM | (flags & O_CLOEXEC ? SOCK_CLOEXEC : 0), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, sizeof path, "%s/pictures", folder());
    strcpy(address.sun_path, path);
    if (fd < 0 || fd >= MOST_FDS || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (fd >= 0) ((int (*)(int))real("close"))(fd);
        return fail(ENODEV);
    }
    if (flags & O_NONBLOCK) fcntl(fd, F_SETFL, O_NONBLOCK);
    struct camera *camera = calloc(1, sizeof *camera);
    camera->node = node;
    camera->memory = -1;
    camera->width = 640, camera->height = 480, camera->format = V4L2_PIX_FMT_YUYV;
    cameras[fd] = camera;
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int mode = va_arg(rest, int), node = node_of(path);                                                            \
        va_end(rest);                                                                                                  \
        if (node >= 0 && !access(path, F_OK)) return open_camera(node, flags);                                         \
        return ((int (*)(const char *, int, ...))real(#name))(path, flags, mode);                                      \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    struct camera *camera = camera_of(fd);
    if (camera) {
        if (camera->memory >= 0) ((int (*)(int))real("close"))(camera->memory);
        free(camera);
        cameras[fd] = NULL;
    }
    return ((int (*)(int))real("close"))(fd);
}

#define MMAP(name, offset_type)                                                                                        \
    void *name(void *at, size_t size, int protection, int flags, int fd, offset_type offset) {                         \
        struct camera *camera = camera_of(fd);                                                                         \
        return ((void *(*)(void *, size_t, int, int, int, offset_type))real(#name))(                                   \
            at, size, protection, flags, camera ? camera->memory : fd, offset);                                        \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

static int receive(int fd, void *into, size_t size) {
    char *at = into;
    while (size) {
        struct pollfd waiting = {fd, POLLIN, 0};
        poll(&waiting, 1, 1000);
        ssize_t got = recv(fd, at, size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return -1;
        if (got > 0) at += got, size -= got;
    }
    return 0;
}

static void set_to(struct camera *camera, struct v4l2_pix_format *format) {
    memset(format, 0, sizeof *format);
    format->width = camera->width, format->height = camera->height, format->pixelformat = camera->format;
    format->field = V4L2_FIELD_NONE;
    format->colorspace = V4L2_COLORSPACE_SRGB;
    format->sizeimage = camera->width * camera->height * 2;
}

static const unsigned SIZES[][2] = {{640, 480}, {1280, 960}, {1600, 1200}};

static int set_format(struct camera *camera, struct v4l2_format *wanted) {
    if (has_mode("busy")) return fail(EBUSY);
    if (camera->count) return fail(EBUSY);
    struct v4l2_pix_format *pixels = &wanted->fmt.pix;
    int mjpg = pixels->pixelformat == V4L2_PIX_FMT_MJPEG && !has_mode("yuyv");
    unsigned best = 0;
    for (unsigned i = 1; mjpg && i < 3; i++)
        if (labs((long)SIZES[i][0] - (long)pixels->width) < labs((long)SIZES[best][0] - (long)pixels->width)) best = i;
    camera->format = mjpg ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
    camera->width = SIZES[best][0], camera->height = SIZES[best][1];
    note("format", mjpg);
    note("width", camera->width);
    set_to(camera, pixels);
    return 0;
}

static int describe(struct camera *camera, struct v4l2_capability *answer) {
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "uvcvideo");
    strcpy((char *)answer->card, "Simulated DocCam");
    strcpy((char *)answer->bus_info, "usb-simulated-1");
    answer->device_caps = V4L2_CAP_STREAMING | (camera->node == METADATA ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
    answer->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int list_format(struct v4l2_fmtdesc *answer) {
    unsigned formats[] = {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG};
    if (answer->index > (has_mode("yuyv") ? 0 : 1)) return fail(EINVAL);
    answer->pixelformat = formats[answer->index];
    return 0;
}

static int list_size(struct v4l2_frmsizeenum *answer) {
    if (answer->index > (answer->pixel_format == V4L2_PIX_FMT_MJPEG ? 2 : 0)) return fail(EINVAL);
    answer->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    answer->discrete.width = SIZES[answer->index][0], answer->discrete.height = SIZES[answer->index][1];
    return 0;
}

static int make_buffers(struct camera *camera, struct v4l2_requestbuffers *wanted) {
    if (wanted->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
    if (camera->memory >= 0) close(camera->memory);
    camera->memory = -1, camera->queued = 0;
    camera->count = wanted->count = wanted->count < MOST_BUFFERS ? wanted->count : MOST_BUFFERS;
    camera->size = ((size_t)camera->width * camera->height * 2 + 4095) & ~(size_t)4095;
    if (!camera->count) return 0;
    camera->memory = memfd_create("buffers", MFD_CLOEXEC);
    return ftruncate(camera->memory, camera->size * camera->count);
}

static int stream(int fd, struct camera *camera, int on) {
    unsigned words[2] = {on ? camera->width : 0, on ? camera->height : 0};
    if (on && has_mode("nospace")) return fail(ENOSPC);
    camera->streaming = on;
    if (!on) camera->queued = 0;
    return send(fd, words, sizeof words, MSG_NOSIGNAL) == sizeof words ? 0 : fail(ENODEV);
}

static int take(int fd, struct camera *camera, struct v4l2_buffer *answer) {
    uint32_t length;
    uint64_t micros;
    struct pollfd waiting = {fd, POLLIN, 0};
    if (!camera->queued) return fail(EINVAL);
    if (!poll(&waiting, 1, 0)) return fail(EAGAIN);
    if (receive(fd, &length, 4) || receive(fd, &micros, 8) || length > camera->size) return fail(ENODEV);
    int index = camera->queue[0];
    memmove(camera->queue, camera->queue + 1, sizeof(int) * --camera->queued);
    char *at = mmap(NULL, camera->size, PROT_WRITE, MAP_SHARED, fd, index * camera->size);
    int lost = at == MAP_FAILED || receive(fd, at, length);
    if (at != MAP_FAILED) munmap(at, camera->size);
    if (lost) return fail(ENODEV);
    answer->index = index, answer->bytesused = length, answer->length = camera->size;
    answer->sequence = camera->sequence++;
    answer->flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    answer->timestamp.tv_sec = micros / 1000000, answer->timestamp.tv_usec = micros % 1000000;
    return 0;
}

static int queue(struct camera *camera, struct v4l2_buffer *buffer) {
    if ((int)buffer->index >= camera->count || camera->queued == MOST_BUFFERS) return fail(EINVAL);
    camera->queue[camera->queued++] = buffer->index;
    return 0;
}

static int query(struct camera *camera, struct v4l2_buffer *buffer) {
    if ((int)buffer->index >= camera->count) return fail(EINVAL);
    buffer->length = camera->size;
    buffer->m.offset = buffer->index * camera->size;
    return 0;
}

static int control(struct v4l2_control *wanted, int set) {
    if (wanted->id != V4L2_CID_FOCUS_AUTO && wanted->id != V4L2_CID_FOCUS_ABSOLUTE) return fail(EINVAL);
    if (set) note(wanted->id == V4L2_CID_FOCUS_AUTO ? "autofocus" : "focus", wanted->value);
    return 0;
}

static int ask_control(struct v4l2_queryctrl *answer) {
    unsigned id = answer->id;
    if (id != V4L2_CID_FOCUS_AUTO && id != V4L2_CID_FOCUS_ABSOLUTE) return fail(EINVAL);
    memset(answer, 0, sizeof *answer);
    answer->id = id, answer->type = V4L2_CTRL_TYPE_INTEGER, answer->maximum = 1023, answer->step = 1;
    return 0;
}

static int answer_input(struct v4l2_input *answer) {
    if (answer->index) return fail(EINVAL);
    answer->type = V4L2_INPUT_TYPE_CAMERA;
    return 0;
}

static int answer(int fd, struct camera *camera, unsigned long request, void *data) {
    if (request == VIDIOC_QUERYCAP) return describe(camera, data);
    if (camera->node == METADATA) return fail(EINVAL);
    switch (request) {
    case VIDIOC_ENUMINPUT: return answer_input(data);
    case VIDIOC_G_INPUT: *(int *)data = 0; return 0;
    case VIDIOC_S_INPUT: return *(int *)data ? fail(EINVAL) : 0;
    case VIDIOC_ENUM_FMT: return list_format(data);
    case VIDIOC_ENUM_FRAMESIZES: return list_size(data);
    case VIDIOC_G_FMT: set_to(camera, &((struct v4l2_format *)data)->fmt.pix); return 0;
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: return set_format(camera, data);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: return 0;
    case VIDIOC_REQBUFS: return make_buffers(camera, data);
    case VIDIOC_QUERYBUF: return query(camera, data);
    case VIDIOC_QBUF: return queue(camera, data);
    case VIDIOC_DQBUF: return take(fd, camera, data);
    case VIDIOC_STREAMON: return stream(fd, camera, 1);
    case VIDIOC_STREAMOFF: return stream(fd, camera, 0);
    case VIDIOC_QUERYCTRL: return ask_control(data);
    case VIDIOC_G_CTRL: return control(data, 0);
    case VIDIOC_S_CTRL: return control(data, 1);
    default: return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *data = va_arg(rest, void *);
    va_end(rest);
    struct camera *camera = camera_of(fd);
    if (camera) return answer(fd, camera, (uint32_t)request, data);
    return ((int (*)(int, unsigned long, ...))real("ioctl"))(fd, request, data);
}
