//! Lines as people write them in a Korean chat, from word lists and a seed: the same seed gives the same lines. Pure.

/// Random enough for lines, and the same on every machine (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// Words at the beginning of a list are said more often than those at its end, as in any language.
    fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let fraction = self.below(1 << 16) as f64 / f64::from(1 << 16);
        let at = ((words.len() as f64 + 1.0).powf(fraction) - 1.0) as usize;
        words.get(at).or(words.last()).copied().unwrap_or_default()
    }

    fn any<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }
}

/// The word that is said once in [`RARE_ONE_IN`] lines.
pub const RARE: &str = "귤밭";

/// How seldom.
pub const RARE_ONE_IN: usize = 5_000;

/// Lines that somebody writes one after another.
pub struct Lines {
    dice: Dice,
    nouns: Vec<&'static str>,
    verbs: Vec<&'static str>,
    latin: Vec<&'static str>,
}

impl Lines {
    pub fn new(seed: u64) -> Self {
        let list = |words: &'static str| words.split_whitespace().collect();
        Self { dice: Dice::new(seed), nouns: list(NOUNS), verbs: list(VERBS), latin: list(LATIN) }
    }

    /// The next line: one to four phrases and a verb, 10 to 40 syllables.
    pub fn line(&mut self) -> String {
        let dice = &mut self.dice;
        let mut line = String::with_capacity(128);
        if dice.one_in(4) {
            line.push_str(dice.any(&OPENINGS));
            line.push(' ');
        }
        for _ in 0..1 + dice.below(4) {
            if dice.one_in(5) {
                line.push_str(dice.any(&ADVERBS));
                line.push(' ');
            }
            let word = if dice.one_in(RARE_ONE_IN * 2) {
                RARE
            } else if dice.one_in(9) {
                dice.word(&self.latin)
            } else {
                dice.word(&self.nouns)
            };
            line.push_str(word);
            // Two nouns glue together now and then, as in 주간회의록.
            if dice.one_in(8) {
                line.push_str(dice.word(&self.nouns));
            }
            line.push_str(dice.any(&PARTICLES));
            line.push(' ');
        }
        line.push_str(dice.word(&self.verbs));
        line.push_str(dice.any(&ENDINGS));
        if dice.one_in(12) {
            line.push_str(dice.any(&TAILS));
        }
        line
    }

    /// Lines cut or filled to so many bytes.
    pub fn of_bytes(&mut self, bytes: usize) -> String {
        let mut text = self.line();
        while text.len() < bytes {
            text.push(' ');
            text.push_str(&self.line());
        }
        while text.len() > bytes {
            text.pop();
        }
        // A line does not end with a space: the server would not keep it as it is.
        while text.len() < bytes || text.ends_with(' ') {
            if text.ends_with(' ') {
                text.pop();
            }
            text.push('.');
        }
        text
    }
}

const OPENINGS: [&str; 12] =
    ["네", "아", "저기", "그럼", "음", "오", "그런데", "참", "혹시", "안녕하세요", "감사합니다", "ㅋㅋㅋ"];

const ADVERBS: [&str; 16] = [
    "지금",
    "내일",
    "오늘",
    "어제",
    "아까",
    "다시",
    "먼저",
    "아직",
    "벌써",
    "조금",
    "많이",
    "같이",
    "바로",
    "천천히",
    "자주",
    "꼭",
];

const PARTICLES: [&str; 18] = [
    "은", "는", "이", "가", "을", "를", "에", "에서", "으로", "로", "도", "만", "까지", "부터", "하고", "에게", "의",
    "",
];

const ENDINGS: [&str; 20] = [
    "했어요",
    "할게요",
    "합니다",
    "하자",
    "하고 있어요",
    "해 주세요",
    "했습니다",
    "할까요?",
    "하네",
    "했는데",
    "하면 좋겠어요",
    "하려고요",
    "해도 될까요?",
    "했나요?",
    "하는 중",
    "해야 해요",
    "했죠",
    "하면 됩니다",
    "했었지",
    "할 듯",
];

const TAILS: [&str; 8] = [" ㅎㅎ", " ㅋㅋ", "!", "~", " ㅠㅠ", " 🙂", "...", "!!"];

const NOUNS: &str = "
    회의 오늘 내일 사람 시간 생각 문제 이야기 일정 자료 파일 사진 점심 저녁 커피 친구 학교 회사 집 밥 버스 지하철 영화 음악 책
    회의록 발표 보고서 서버 화면 코드 배포 테스트 오류 로그 버전 기능 디자인 기획 개발 검토 수정 확인 공유 링크 문서 메일 전화
    주소 이름 번호 사용자 고객 담당자 팀장 대표 신입 동료 선배 후배 교수 학생 수업 과제 시험 성적 방학 학기 도서관 강의실 연구실
    논문 실험 결과 분석 데이터 표 그래프 숫자 계산 예산 비용 가격 할인 주문 배송 택배 결제 환불 영수증 계좌 은행 카드 현금 통장
    날씨 비 눈 바람 더위 추위 우산 계절 봄 여름 가을 겨울 아침 새벽 주말 평일 월요일 화요일 수요일 목요일 금요일 휴가 여행 공항
    비행기 기차 호텔 숙소 예약 표지판 지도 길 골목 시장 마트 편의점 식당 카페 빵집 치킨 피자 김밥 라면 떡볶이 국수 찌개 고기 생선
    과일 사과 배추 딸기 수박 포도 채소 두부 계란 우유 물 차 맥주 소주 막걸리 안주 간식 과자 사탕 초콜릿 아이스크림 케이크 생일 선물
    축하 결혼 졸업 입학 취업 면접 이력서 연봉 월급 보너스 퇴근 출근 야근 재택 사무실 책상 의자 모니터 키보드 마우스 노트북 충전기
    배터리 이어폰 휴대폰 앱 알림 설정 비밀번호 로그인 계정 권한 보안 백업 저장 삭제 검색 목록 순서 정렬 필터 버튼 메뉴 글자 그림
    색깔 크기 모양 위치 방향 속도 성능 메모리 디스크 네트워크 연결 접속 장애 복구 점검 공지 안내 규칙 약속 계획 목표 방법 이유 원인
    의견 질문 답변 설명 예시 요청 제안 결정 투표 합의 동의 반대 걱정 기대 희망 기분 마음 건강 병원 약국 감기 운동 산책 등산 수영
    축구 야구 농구 경기 응원 선수 감독 점수 우승 게임 만화 드라마 방송 뉴스 신문 기사 광고 가수 노래 공연 전시 미술관 박물관 공원
    강아지 고양이 새 나무 꽃 바다 산 강 섬 하늘 별 달 해 마당 대문 창문 부엌 거실 방 화장실 이사 청소 빨래 설거지 쓰레기 가족
    부모님 엄마 아빠 동생 언니 오빠 누나 형 할머니 할아버지 아이 아기 이웃 손님 기사님 선생님";

const VERBS: &str = "
    시작 준비 정리 확인 전달 공유 작성 검토 수정 배포 연락 도착 출발 이동 참석 발표 설명 질문 대답 부탁 주문 결제 예약 취소 변경
    추가 삭제 저장 복사 설치 실행 완료 마무리 공부 연습 운동 요리 청소 구경 산책 여행 휴식 생각 고민 결정 이해 기억 걱정 축하 응원";

const LATIN: &str = "
    PR API deploy server test v2 build Rust log merge branch commit deployment release issue docs JSON SQL cache token
    websocket Linux Docker review hotfix QA UI CSS";
